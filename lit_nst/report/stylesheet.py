"""How a page looks: on a phone, on a screen, on paper, in light and dark."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --card: #f6f7f8; --ink: #1f2328; --soft: #59636e; --rule: #d9dde1; --link: #0a58a8;
  --yes: #00704f; --yes-paper: #e6f4ee; --no: #b0430a; --no-paper: #fbece3; --open: #55606b; --open-paper: #eef0f2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15181c; --card: #1e2227; --ink: #e4e7ea; --soft: #a2abb5; --rule: #363c43; --link: #7db8f0;
    --yes: #4cc79b; --yes-paper: #14291f; --no: #f39a64; --no-paper: #331f14; --open: #b3bcc5; --open-paper: #252a30;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 17px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main { max-width: 1180px; margin: 0 auto; padding: 24px 20px 64px; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0.4em 0 0.6em; }
h2 {
  font-size: 1.4rem; line-height: 1.25; margin: 2.2em 0 0.6em; padding-top: 0.5em;
  border-top: 1px solid var(--rule);
}
h1, h2, p, figcaption, caption, dd { overflow-wrap: anywhere; }
p { max-width: 72ch; margin: 0 0 1em; }
a { color: var(--link); }
code { font: 0.88em ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  background: var(--card); border-radius: 4px; padding: 0.1em 0.3em; }
nav ul { list-style: none; padding: 0; margin: 0 0 1.5em; }
nav li { margin: 0.2em 0; }
figure { margin: 1.5em 0; }
img {
  display: block; max-width: 100%; height: auto; background: #fff;
  border: 1px solid var(--rule); border-radius: 4px;
}
figcaption, caption { color: var(--soft); font-size: 0.92rem; line-height: 1.45; text-align: left; }
figcaption { margin-top: 0.5em; max-width: 90ch; }
caption { padding: 0 0 0.5em; }
.scroll { overflow-x: auto; }
div.scroll:has(table) { margin: 1.5em 0; }
table { border-collapse: collapse; font-size: 0.95rem; line-height: 1.35; }
th, td { padding: 0.4em 0.9em; text-align: left; border-bottom: 1px solid var(--rule); vertical-align: top; }
thead th { border-bottom: 2px solid var(--soft); vertical-align: bottom; }
tbody th { font-weight: 600; }
tbody tr:nth-child(even) { background: var(--card); }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.claim { margin: 1.5em 0; padding: 0.9em 1.2em; max-width: 860px; border: 1px solid var(--rule); border-left: 6px solid;
  border-radius: 6px; }
.claim.yes { border-left-color: var(--yes); background: var(--yes-paper); }
.claim.no { border-left-color: var(--no); background: var(--no-paper); }
.claim.open { border-left-color: var(--open); background: var(--open-paper); }
dl { margin: 0; }
dl div { display: grid; grid-template-columns: 10.5em 1fr; gap: 0 0.8em; padding: 0.15em 0; }
dt { color: var(--soft); }
dd { margin: 0; }
.verdict { font-weight: 700; }
.yes .verdict { color: var(--yes); }
.no .verdict { color: var(--no); }
.open .verdict { color: var(--open); }
@media (max-width: 640px) {
  body { font-size: 16px; }
  main { padding: 12px 14px 40px; }
  h1 { font-size: 1.6rem; }
  dl div { grid-template-columns: 1fr; padding: 0.3em 0; }
  .wide img { max-width: none; width: 860px; }
  th, td { padding: 0.35em 0.6em; }
}
@media print {
  :root {
    --paper: #fff; --card: #f6f7f8; --ink: #000; --soft: #444; --rule: #bbb; --link: #000;
    --yes: #00704f; --yes-paper: #fff; --no: #b0430a; --no-paper: #fff; --open: #444; --open-paper: #fff;
  }
  body { font-size: 10.5pt; }
  main { max-width: none; padding: 0; }
  nav { display: none; }
  .scroll { overflow: visible; }
  figure, .claim, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
  thead { display: table-header-group; }
}
"""
