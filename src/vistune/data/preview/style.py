"""What the preview adds to the style sheet of all pages."""

from vistune.data.pages import STYLE as SHARED

STYLE = (
    SHARED
    + """
main { max-width:1120px; }
h1 { font-size:28px; margin-bottom:12px; }
h2 { font-size:18px; margin:0 0 12px; }
h2 small { color:var(--soft); font-weight:400; font-size:13px; margin-left:8px; overflow-wrap:anywhere; }
h3 { font-size:13px; margin:0 0 8px; color:var(--soft); font-weight:600; }
dl { display:grid; grid-template-columns:auto 1fr; gap:2px 12px; margin:0; font-size:13px; }
dt { color:var(--soft); } dd { margin:0; overflow-wrap:anywhere; }
.facts { font-size:14px; max-width:760px; }
.legend { font-size:13px; color:var(--soft); margin:20px 0 0; }
.legend .tokens { display:inline; }
section { border-top:1px solid var(--line); margin-top:28px; padding-top:24px; }
.row { display:grid; grid-template-columns:300px 1fr; gap:28px; align-items:start; }
.pictures img { display:block; width:100%; border-radius:8px; border:1px solid var(--line); background:var(--wash);
  margin-bottom:10px; }
.wordings { min-width:0; }
.wording { border:1px solid var(--line); border-radius:10px; padding:10px 14px; margin-bottom:10px; }
.wording.drawn { border-color:var(--a); box-shadow:inset 4px 0 0 var(--a); }
.said { margin:0 0 6px; overflow-wrap:anywhere; }
mark { background:var(--learn); border-radius:4px; padding:1px 5px; color:inherit; }
summary { cursor:pointer; font-size:12.5px; color:var(--soft); }
.badge { font-size:11.5px; border:1px solid var(--line); background:var(--wash); border-radius:999px; padding:1px 8px;
  margin-left:8px; color:var(--soft); white-space:nowrap; }
.badge.drawn { background:var(--a); border-color:var(--a); color:var(--paper); }
.tokens { margin:8px 0 2px; font:12px/1.9 ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace; }
.tokens i { display:inline-block; max-width:100%; font-style:normal; line-height:1.45; border:1px solid var(--line);
  background:var(--wash); border-radius:4px; padding:0 3px; margin:0 2px 0 0; overflow-wrap:anywhere; }
.tokens .special { color:var(--soft); border-style:dashed; }
.tokens .image { background:var(--seen); border-color:var(--seen-line); color:var(--a); }
.tokens .learned { background:var(--learn); border-color:var(--learn-line); color:inherit; }
.arrow { color:var(--soft); margin:0 6px; }
.note { margin:0 0 8px; }
footer { margin-top:36px; padding-top:16px; }
footer ul { padding-left:18px; }
@media (max-width:760px) { .row { grid-template-columns:1fr; } main { padding:22px 16px 48px; } }
"""
)
