"""Φ: what an image is compared by."""

from lit_nst.features.alexnet import AlexNet
from lit_nst.features.attributes import AttributeClassifier
from lit_nst.features.base import Features
from lit_nst.features.squeezenet import SqueezeNet
from lit_nst.features.vgg import VGG16, VGG19

__all__ = ["VGG16", "VGG19", "AlexNet", "AttributeClassifier", "Features", "SqueezeNet"]
