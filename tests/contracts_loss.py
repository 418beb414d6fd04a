"""What every loss and every regulariser promises."""

import itertools
from typing import Any, ClassVar

import pytest
import torch
from jsonargparse import ArgumentParser

from lit_nst.errors import InputError
from lit_nst.functional.random import normal
from lit_nst.losses import Loss, Regulariser


def from_yaml(kind, instance, init_args):
    """The same object again, by the way that a config takes."""
    parser = ArgumentParser()
    parser.add_argument("--term", type=kind)
    path = f"lit_nst.losses.{type(instance).__name__}"
    return parser.instantiate(parser.parse_object({"term": {"class_path": path, "init_args": init_args}})).term


class LossContract:
    """Subclass as ``Test…``; set ``loss`` and ``init_args``.

    Attributes:
        loss: The class.
        init_args: Its arguments, as YAML holds them; without ``weight`` and ``layer_weights``.
        shape: Of the smallest maps; the second layer's have two rows and columns more.
        atol: How far from 0 the loss may be at equality.
    """

    loss: ClassVar[type[Loss]]
    init_args: ClassVar[dict[str, Any]]
    shape: ClassVar[tuple[int, ...]] = (3, 3, 6, 5)
    atol: ClassVar[float] = 0.0

    def make(self, **changes):
        return self.loss(**{**self.init_args, **changes})

    def maps(self, key, dtype=torch.float32):
        """Maps with negatives; the rows differ."""
        rows, channels, height, width = self.shape
        shapes = [(rows, channels, height + 2 * i, width + 2 * i) for i in range(len(self.make().layers))]
        names = self.make().layers
        return {
            name: (0.4 + 0.5 * normal(shape, key, i)).to(dtype)
            for i, (name, shape) in enumerate(zip(names, shapes, strict=True))
        }

    def test_zero_at_equality_with_a_finite_gradient(self):
        loss, maps = self.make(), self.maps("a")
        own = {name: x.clone().requires_grad_() for name, x in maps.items()}
        value = loss(own, loss.measure(maps))
        torch.testing.assert_close(value, torch.zeros(self.shape[0]), atol=self.atol, rtol=0)
        value.sum().backward()
        assert all(x.grad.isfinite().all() for x in own.values())

    def test_positive_with_a_finite_gradient_for_every_layer(self):
        loss = self.make()
        own = {name: x.requires_grad_() for name, x in self.maps("a").items()}
        value = loss(own, loss.measure(self.maps("b")))
        assert value.shape == self.shape[:1]
        assert (value > 0).all()
        value.sum().backward()
        for x in own.values():
            assert x.grad.isfinite().all()
            assert (x.grad.flatten(1).abs().amax(1) > 0).all()

    def test_finite_where_nothing_is_active(self):
        loss = self.make()
        zero = {name: torch.zeros_like(x).requires_grad_() for name, x in self.maps("a").items()}
        value = loss(zero, loss.measure(self.maps("b")))
        assert value.isfinite().all()
        value.sum().backward()
        assert all(x.grad.isfinite().all() for x in zero.values())

    def test_gradcheck(self):
        loss = self.make()
        target = loss.measure(self.maps("b", torch.double))
        own = self.maps("a", torch.double)
        assert torch.autograd.gradcheck(
            lambda *values: loss(dict(zip(own, values, strict=True)), target),
            [x.requires_grad_() for x in own.values()],
        )

    @pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
    def test_a_row_of_a_batch_is_the_row_alone(self, layout):
        loss = self.make()
        own, target = ({n: x.contiguous(memory_format=layout) for n, x in self.maps(k).items()} for k in ("a", "b"))
        together = loss(own, loss.measure(target))
        for row in range(self.shape[0]):
            alone, other = ({n: x[row : row + 1] for n, x in maps.items()} for maps in (own, target))
            assert torch.equal(loss(alone, loss.measure(other)), together[row : row + 1])

    def test_rows_do_not_mix(self):
        loss = self.make()
        own = {name: x.requires_grad_() for name, x in self.maps("a").items()}
        loss(own, loss.measure(self.maps("b")))[0].backward()
        assert all(not x.grad[1:].any() for x in own.values())

    def test_weight_is_a_factor(self):
        own, other = self.maps("a"), self.maps("b")
        single, triple = self.make(), self.make(weight=3 * self.make().weight)
        torch.testing.assert_close(triple(own, triple.measure(other)), 3 * single(own, single.measure(other)))

    def test_autocast_gives_float32(self):
        loss = self.make()
        own, other = ({n: x.bfloat16() for n, x in self.maps(k).items()} for k in ("a", "b"))
        with torch.autocast("cpu", torch.bfloat16):
            value = loss(own, loss.measure(other))
        assert value.dtype == torch.float32
        exact = {n: x.float() for n, x in own.items()}
        full = loss(exact, loss.measure({n: x.float() for n, x in other.items()}))
        torch.testing.assert_close(value, full)

    def test_survives_yaml(self):
        loss = self.make(weight=2.5)
        again = from_yaml(Loss, loss, {**self.init_args, "weight": 2.5})
        assert type(again) is self.loss
        own, other = self.maps("a"), self.maps("b")
        assert torch.equal(again(own, again.measure(other)), loss(own, loss.measure(other)))

    def test_leaves_nothing_in_a_checkpoint(self):
        assert not self.make().state_dict()
        assert not list(self.make().parameters())


class LayerWeightsContract:
    """For losses that take ``layers`` and ``layer_weights``; put it before ``LossContract``."""

    def test_layer_weights_are_factors(self):
        own, other = self.maps("a"), self.maps("b")
        names = self.make().layers
        values = []
        for chosen in range(len(names)):
            loss = self.make(layer_weights=[float(i == chosen) for i in range(len(names))])
            values.append(loss(own, loss.measure(other)))
        loss = self.make(layer_weights=[2.0 + i for i in range(len(names))])
        expected = sum((2.0 + i) * value for i, value in enumerate(values))
        torch.testing.assert_close(loss(own, loss.measure(other)), expected)
        default = self.make()
        torch.testing.assert_close(default(own, default.measure(other)), sum(values) / len(names))

    def test_layer_weights_survive_yaml(self):
        weights = [0.5 + i for i in range(len(self.make().layers))]
        again = from_yaml(Loss, self.make(), {**self.init_args, "layer_weights": weights})
        assert again.layer_weights == weights

    def test_a_weight_for_each_layer(self):
        count = len(self.make().layers)
        message = f"^{self.loss.__name__}: {count + 1} layer_weights for {count} layers; give one each$"
        with pytest.raises(InputError, match=message):
            self.make(layer_weights=[1.0] * (count + 1))

    def test_a_layer_at_least(self):
        with pytest.raises(InputError, match=f"{self.loss.__name__}: layers is empty; name at least one"):
            self.make(layers=[])


class StyleLossContract(LayerWeightsContract):
    """For losses that do not know where a feature is; put it before ``LossContract``.

    Attributes:
        local: The loss knows which features are side by side.
        union: A blend is that of the pictures side by side.
    """

    local: ClassVar[bool] = False
    union: ClassVar[bool] = True

    def statistics(self, *keys):
        """Statistics of the first layer, a tensor per key."""
        loss = self.make()
        return [loss.measure(self.maps(key))[loss.layers[0]] for key in keys]

    def test_blind_to_a_permutation_of_the_positions(self):
        loss, own = self.make(), self.maps("a", torch.double)
        target = loss.measure(self.maps("b", torch.double))
        shuffled = {}
        for name, x in own.items():
            order = torch.randperm(x[0, 0].numel(), generator=torch.Generator().manual_seed(0))
            shuffled[name] = x.flatten(2)[..., order].reshape(x.shape)
        change = (loss(shuffled, target) - loss(own, target)).abs()
        assert ((change > 1e-3) if self.local else (change < 1e-12)).all()

    def test_blind_to_a_repetition_of_the_target(self):
        loss, own, other = self.make(), self.maps("a"), self.maps("b")
        once = loss(own, loss.measure(other))
        tiled = loss(own, loss.measure({name: x.tile(1, 1, 2, 2) for name, x in other.items()}))
        if self.local:
            # The seams are further choices.
            assert (tiled <= once + 1e-6).all()
        else:
            torch.testing.assert_close(tiled, once, atol=1e-5, rtol=1e-4)

    @pytest.mark.parametrize("size", [(1, 1), (4, 9), (11, 3)])
    def test_a_target_of_another_size(self, size):
        loss, maps = self.make(), self.maps("a")
        shape = (*self.shape[:2], *size)
        target = loss.measure({name: 0.4 + 0.5 * normal(shape, "b", i) for i, name in enumerate(maps)})
        own = {name: x.requires_grad_() for name, x in maps.items()}
        value = loss(own, target)
        assert value.shape == self.shape[:1]
        assert (value > 0).all()
        value.sum().backward()
        assert all(x.grad.isfinite().all() and x.grad.any() for x in own.values())

    @pytest.mark.parametrize("weight", [1e-12, 1e12])
    def test_finite_for_pictures_of_one_colour(self, weight):
        loss, single = self.make(layers=["x"], weight=weight), (*self.shape[:2], 1, 1)
        uniform, zero = torch.full(self.shape, 0.7), torch.zeros(self.shape)
        pictures = [uniform, zero, normal(single, "single"), normal(self.shape, "varied")]
        for own, target in itertools.product(pictures, pictures):
            x = own.clone().requires_grad_()
            value = loss({"x": x}, loss.measure({"x": target}))
            assert value.isfinite().all()
            assert (value >= 0).all()
            if own is target:
                torch.testing.assert_close(value / weight, torch.zeros(self.shape[0]), atol=1e-6, rtol=0)
            value.sum().backward()
            assert x.grad.isfinite().all()

    def test_gradient_of_a_row_of_a_batch_is_that_of_the_row_alone(self):
        loss, own, other = self.make(), self.maps("a"), self.maps("b")
        together = {name: x.clone().requires_grad_() for name, x in own.items()}
        loss(together, loss.measure(other)).sum().backward()
        for row in range(self.shape[0]):
            alone = {name: x[row : row + 1].clone().requires_grad_() for name, x in own.items()}
            loss(alone, loss.measure({name: x[row : row + 1] for name, x in other.items()})).sum().backward()
            for name, x in alone.items():
                assert torch.equal(x.grad, together[name].grad[row : row + 1])

    def test_a_blend_with_itself_is_itself(self):
        loss = self.make()
        own, part = self.statistics("a", "b")
        blended = loss.blend([part, part, part], [3, 0.5, 1e-3])
        torch.testing.assert_close(loss.distance(own, blended), loss.distance(own, part))
        torch.testing.assert_close(loss.distance(part, blended), torch.zeros(self.shape[0]), atol=1e-6, rtol=0)

    def test_a_blend_of_one_is_that_one(self):
        loss = self.make()
        part, other = self.statistics("a", "b")
        assert torch.equal(loss.blend([part], [0.1]), part)
        assert torch.equal(loss.blend([part, other], [7, 0]), part)
        # Even if the picture left out has no finite statistics.
        assert torch.equal(loss.blend([other * torch.nan, part], [0, 7]), part)

    def test_a_blend_is_nearer_to_its_parts_than_they_are(self):
        loss = self.make()
        a, b = self.statistics("a", "b")
        apart = loss.distance(a, b)
        assert (loss.distance(a, loss.blend([a, b], [1, 1])) < 0.8 * apart).all()
        assert (loss.distance(b, loss.blend([a, b], [1, 1])) < 0.8 * apart).all()

    def test_a_blend_of_several_sizes(self):
        loss = self.make()
        rows, channels, height, width = self.shape
        sizes = ((rows, channels, height, 3), (rows, channels, height, width))
        a, b = (0.4 + 0.5 * normal(size, i) for i, size in enumerate(sizes))
        (own,) = self.statistics("own")
        # As many shares as columns.
        blended = loss.blend([loss.statistics(a), loss.statistics(b)], [3, width])
        value = loss.distance(own, blended)
        assert value.isfinite().all()
        assert (value > 0).all()
        if self.union and not self.local:
            together = loss.statistics(torch.cat([a, b], 3))
            torch.testing.assert_close(value, loss.distance(own, together))

    def test_aligned_targets_of_several_sizes_are_the_targets_alone(self):
        loss = self.make()
        rows, channels, height, width = 4, *self.shape[1:]
        own = loss.statistics(0.4 + 0.5 * normal((rows, channels, height, width), "own"))
        sizes = (height, width), (height + 3, width), (height, 3), (2 * height, width + 1)
        pictures = [0.4 + 0.5 * normal((1, channels, *size), "b", i) for i, size in enumerate(sizes)]
        parts = [loss.statistics(picture) for picture in pictures]
        aligned = loss.align(parts, own[:1])
        assert len(aligned) == rows
        together = loss.distance(own, aligned)
        for row, part in enumerate(parts):
            assert torch.equal(together[row : row + 1], loss.distance(own[row : row + 1], part))

    @pytest.mark.parametrize("weights", [[-1, 2], [0, 0], [float("nan"), 1], [float("inf"), 1]])
    def test_bad_blend_weights(self, weights):
        loss, (part,) = self.make(), self.statistics("a")
        with pytest.raises(InputError, match=f"^{self.loss.__name__}: blend weights are .*; give none below 0"):
            loss.blend([part, part], weights)

    def test_a_blend_weight_for_each_picture(self):
        loss, (part,) = self.make(), self.statistics("a")
        with pytest.raises(InputError, match=f"^{self.loss.__name__}: 1 blend weights for 2 pictures; give one each$"):
            loss.blend([part, part], [1])


class RegulariserContract:
    """Subclass as ``Test…``; set ``regulariser`` and ``init_args``.

    Attributes:
        regulariser: The class.
        init_args: Its arguments, as YAML holds them; without ``weight``.
        judges: ``"image"`` or ``"latent"``, what the term looks at.
    """

    regulariser: ClassVar[type[Regulariser]]
    init_args: ClassVar[dict[str, Any]] = {}
    judges: ClassVar[str]

    def make(self, **changes):
        return self.regulariser(**{**self.init_args, **changes})

    def inputs(self, dtype=torch.float32):
        return {
            "image": (0.5 + 0.2 * normal((3, 3, 7, 6), "image")).to(dtype),
            "latent": normal((3, 4, 5), "latent").to(dtype),
        }

    def test_zero_at_rest_with_a_finite_gradient(self):
        rest = {name: torch.zeros_like(x).requires_grad_() for name, x in self.inputs().items()}
        value = self.make()(**rest)
        assert torch.equal(value, torch.zeros(3))
        value.sum().backward()
        assert rest[self.judges].grad.isfinite().all()

    def test_positive_with_a_finite_gradient(self):
        inputs = {name: x.requires_grad_() for name, x in self.inputs().items()}
        value = self.make()(**inputs)
        assert value.shape == (3,)
        assert (value > 0).all()
        value.sum().backward()
        gradient = inputs[self.judges].grad
        assert gradient.isfinite().all()
        assert (gradient.flatten(1).abs().amax(1) > 0).all()

    def test_gradcheck(self):
        inputs = self.inputs(torch.double)
        other = {name: x for name, x in inputs.items() if name != self.judges}
        term = self.make(weight=1.0)
        judged = inputs[self.judges].requires_grad_()
        assert torch.autograd.gradcheck(lambda x: term(**{self.judges: x}, **other), [judged])

    def test_a_row_of_a_batch_is_the_row_alone(self):
        inputs, term = self.inputs(), self.make()
        together = term(**inputs)
        for row in range(3):
            alone = term(**{name: x[row : row + 1] for name, x in inputs.items()})
            assert torch.equal(alone, together[row : row + 1])

    def test_weight_is_a_factor(self):
        single = self.make()
        torch.testing.assert_close(self.make(weight=3 * single.weight)(**self.inputs()), 3 * single(**self.inputs()))

    def test_autocast_gives_float32(self):
        half = {name: x.bfloat16() for name, x in self.inputs().items()}
        with torch.autocast("cpu", torch.bfloat16):
            value = self.make()(**half)
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, self.make()(**{name: x.float() for name, x in half.items()}))

    def test_survives_yaml(self):
        term = self.make(weight=2.5)
        again = from_yaml(Regulariser, term, {**self.init_args, "weight": 2.5})
        assert type(again) is self.regulariser
        assert torch.equal(again(**self.inputs()), term(**self.inputs()))


def assert_rounding_is_the_same_in_a_batch_and_on_two_threads(evaluate, *inputs):
    """``evaluate`` gives a value per row, bit for bit the same alone, together, and on one thread or two."""
    before, values = torch.get_num_threads(), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        alone = [evaluate(*(x[row : row + 1] for x in inputs)) for row in range(len(inputs[0]))]
        values += [evaluate(*inputs), torch.cat(alone)]
    torch.set_num_threads(before)
    assert all(torch.equal(value, values[0]) for value in values[1:])


def assert_rounding_is_the_same_in_a_batch(evaluate, *inputs):
    """``evaluate`` gives, for every row, bit for bit the same alone and together, on one thread and on two."""
    before = torch.get_num_threads()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        alone = [evaluate(*(x[row : row + 1] for x in inputs)) for row in range(len(inputs[0]))]
        together = evaluate(*inputs)
        torch.set_num_threads(before)
        assert torch.equal(torch.cat(alone), together)
