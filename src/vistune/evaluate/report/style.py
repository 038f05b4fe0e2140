"""What the report of an evaluation adds to the style sheet of all pages."""

from vistune.data.pages import STYLE as SHARED

STYLE = (
    SHARED
    + """
a { color:var(--a); }
:root { --bar:#0b7285; }
@media screen and (prefers-color-scheme:dark) { :root { --bar:#1b8096; } }
.warn { border:1px solid var(--learn-line); background:var(--learn); border-radius:10px; padding:8px 14px;
  margin:16px 0 0; font-size:14px; max-width:none; }
section { border-top:1px solid var(--line); margin-top:40px; }
section > h2 { margin-top:20px; overflow-wrap:anywhere; }
section > h2 strong { color:var(--a); margin-left:8px; font-variant-numeric:tabular-nums; }
section > h2 small { color:var(--soft); font-weight:400; font-size:13px; }
.bars { display:grid; grid-template-columns:minmax(9em,auto) 1fr auto; gap:6px 12px; align-items:center;
  font-size:13px; }
.bars svg { width:100%; height:20px; }
.bars.small { gap:3px 10px; grid-template-columns:fit-content(12em) 1fr auto; max-width:520px; }
.bars .name { overflow-wrap:anywhere; }
.bars .figure { text-align:right; font-variant-numeric:tabular-nums; }
.bars .figure small { color:var(--soft); }
svg .track { fill:var(--wash); } svg .own { fill:var(--bar); } svg .other { fill:var(--floor); }
svg .published, svg .whisker { vector-effect:non-scaling-stroke; stroke-width:1.5; }
svg .published { stroke:var(--b); stroke-opacity:.75; } svg .whisker { stroke:var(--ink); }
.blocks { columns:2 400px; column-gap:36px; }
.blocks > div { break-inside:avoid; padding-top:1px; }
.blocks svg:not(.bars svg) { max-width:min(360px,100%); }
.legend { font-size:12.5px; color:var(--soft); margin:6px 0 0; }
.legend i { display:inline-block; width:10px; height:10px; border-radius:2px; margin:0 6px 0 0; }
.legend i.other { background:var(--floor); margin-left:14px; } .legend i.own { background:var(--bar); }
dl.facts { display:grid; grid-template-columns:auto 1fr; gap:2px 14px; margin:8px 0 0; font-size:13px; }
dl.facts dt { color:var(--soft); } dl.facts dd { margin:0; overflow-wrap:anywhere; }
table.close td, table.close th { padding:4px 8px; font-size:13px; }
table.close td:first-child, table.close th:first-child { padding-left:0; white-space:normal; min-width:5em;
  overflow-wrap:break-word; }
tr.own td { background:var(--wash); font-weight:600; } tr.own td small { font-weight:400; }
tr.mean td { font-weight:600; }
td.clear { font-weight:600; }
td:first-child small { display:block; white-space:normal; font-weight:400; }
.tables table { border-collapse:separate; border-spacing:0; }
.tables th, .tables td small { white-space:normal; }
.tables th, .tables td { padding:4px; font-size:12.5px; }
tr.group td { color:var(--soft); font-size:12.5px; padding-top:10px; text-align:left; }
.tables td:first-child, .tables th:first-child { position:sticky; left:0; background:var(--paper); white-space:normal;
  min-width:8.5em; max-width:13em; padding-right:10px; }
.tables tr.own td:first-child { background:var(--wash); }
.tables table.many th, .tables table.many td { padding:4px 3px; font-size:12px; }
.tables table.many td:not(:first-child) small { display:inline-block; width:min-content; font-size:10.5px;
  line-height:1.3; }
.tables table.many td:first-child, .tables table.many th:first-child { padding-left:0; }
td small.narrow-only { display:none; }
@media screen and (min-width:1180px) { main { max-width:1160px; } }
.answers.wide { grid-template-columns:repeat(auto-fill,minmax(min(440px,100%),1fr)); }
.answer.many { grid-template-columns:1fr; }
.answer .pictures { display:flex; flex-wrap:wrap; gap:6px; }
.answer q { white-space:pre-wrap; font-weight:500; }
summary { cursor:pointer; font-size:13px; color:var(--soft); margin:12px 0 4px; }
@media (max-width:720px) {
  .wide-only { display:none; }
  td small.narrow-only { display:block; }
  .figures-table td, .figures-table th { padding-left:6px; padding-right:6px; }
  .figures-table td { white-space:normal; } .figures-table td small.narrow-only { white-space:nowrap; }
  .figures-table td:first-child { padding-left:0; }
  .bars { grid-template-columns:minmax(6.5em,8.5em) 1fr auto; gap:6px 8px; font-size:12.5px; } }
@media print {
  details:not([open]) > summary { display:none; }
  td, th, table.close td, table.close th { font-size:11px; padding:3px 5px; white-space:normal; }
  .tables table.close td, .tables table.close th { font-size:8.5px; padding:2px; }
  .tables table.close td small, .tables table.many td:not(:first-child) small { font-size:7px; }
  .tables td:first-child, .tables th:first-child { position:static; min-width:6em; }
  svg .own, svg .other, .legend i, tr.own td { -webkit-print-color-adjust:exact; print-color-adjust:exact; } }
"""
)
