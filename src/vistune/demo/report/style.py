"""What the demo's report adds to the style sheet of all pages."""

from vistune.data.pages import STYLE as SHARED

STYLE = (
    SHARED
    + """
.cards { display:grid; grid-template-columns:1fr 1fr; gap:16px; margin-top:24px; }
.card { border:1px solid var(--line); border-radius:12px; padding:18px 20px; border-top:4px solid var(--a); }
.card.b { border-top-color:var(--b); }
.card h3 { margin:0 0 10px; font-size:17px; }
.figures { display:flex; gap:32px; }
.figures div { font-size:13px; color:var(--soft); }
.figures strong { display:block; font-size:32px; line-height:1.15; color:var(--ink); letter-spacing:-.02em;
  font-variant-numeric:tabular-nums; }
.card p { margin:12px 0 0; font-size:13px; color:var(--soft); }
td.a strong { color:var(--a); } td.b strong { color:var(--b); }
tr.group td { padding-top:16px; font-weight:600; border-bottom:1px solid var(--floor); }
tr.mean td { font-weight:600; background:var(--wash); }
td.floor { color:var(--soft); }
.curves { display:grid; grid-template-columns:repeat(auto-fill,minmax(min(300px,100%),1fr)); gap:18px;
  margin-top:14px; }
.answers.wide { grid-template-columns:1fr; }
.accuracy svg { min-width:640px; }
@media (max-width:720px) { .cards { grid-template-columns:1fr; } }
"""
)
