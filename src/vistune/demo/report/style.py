"""The report's style sheet."""

STYLE = """
:root { --ink:#1d2733; --soft:#5d6b7a; --line:#e3e8ee; --wash:#f6f8fa; --a:#0b7285; --b:#c2571a; --floor:#97a3b0;
  --good:#1a7f4b; --bad:#b3261e; }
* { box-sizing:border-box; }
body { margin:0; background:#fff; color:var(--ink); font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
  "Noto Sans","DejaVu Sans",sans-serif; -webkit-font-smoothing:antialiased; }
main { max-width:1000px; margin:0 auto; padding:40px 28px 64px; }
h1 { font-size:30px; line-height:1.2; margin:0 0 8px; letter-spacing:-.02em; }
h2 { font-size:20px; margin:48px 0 6px; letter-spacing:-.01em; }
h3 { font-size:15px; margin:22px 0 6px; }
p { margin:6px 0 12px; max-width:760px; }
.lead, .note { color:var(--soft); }
.note { font-size:13px; }
.chips { display:flex; flex-wrap:wrap; gap:8px; margin:16px 0 0; padding:0; list-style:none; font-size:13px; }
.chips li { background:var(--wash); border:1px solid var(--line); border-radius:999px; padding:3px 12px; }
.cards { display:grid; grid-template-columns:1fr 1fr; gap:16px; margin-top:24px; }
.card { border:1px solid var(--line); border-radius:12px; padding:18px 20px; border-top:4px solid var(--a); }
.card.b { border-top-color:var(--b); }
.card h3 { margin:0 0 10px; font-size:17px; }
.figures { display:flex; gap:32px; }
.figures div { font-size:13px; color:var(--soft); }
.figures strong { display:block; font-size:32px; line-height:1.15; color:var(--ink); letter-spacing:-.02em;
  font-variant-numeric:tabular-nums; }
.card p { margin:12px 0 0; font-size:13px; color:var(--soft); }
.scroll { overflow-x:auto; }
table { border-collapse:collapse; width:100%; font-size:14px; margin:10px 0 4px; font-variant-numeric:tabular-nums; }
th, td { text-align:right; padding:6px 10px; border-bottom:1px solid var(--line); white-space:nowrap; }
th { color:var(--soft); font-weight:600; font-size:12.5px; vertical-align:bottom; }
th:first-child, td:first-child { text-align:left; padding-left:0; }
td.l, th.l { text-align:left; }
td.wrap { white-space:normal; }
td.a strong { color:var(--a); } td.b strong { color:var(--b); }
td small { color:var(--soft); font-size:11.5px; }
tr.group td { padding-top:16px; font-weight:600; border-bottom:1px solid #cfd7df; }
tr.mean td { font-weight:600; background:var(--wash); }
td.floor { color:var(--soft); }
figure { margin:12px 0 0; }
figcaption { font-size:13px; color:var(--soft); margin-top:4px; }
svg { display:block; max-width:100%; height:auto;
  font:12px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif; }
.curves { display:grid; grid-template-columns:repeat(auto-fill,minmax(300px,1fr)); gap:18px; margin-top:14px; }
.answers { display:grid; grid-template-columns:repeat(auto-fill,minmax(296px,1fr)); gap:14px; margin-top:12px; }
.answer { border:1px solid var(--line); border-radius:10px; padding:12px; display:grid; grid-template-columns:96px 1fr;
  gap:12px; font-size:13px; line-height:1.4; align-content:start; }
.answer img { width:96px; height:96px; border-radius:6px; object-fit:contain; background:var(--wash);
  border:1px solid var(--line); }
.answer q { display:block; quotes:none; font-weight:600; margin-bottom:6px; overflow-wrap:anywhere; }
.answer dl { margin:0; display:grid; grid-template-columns:auto 1fr; gap:1px 8px; }
.answer dt { color:var(--soft); } .answer dd { margin:0; overflow-wrap:anywhere; }
.answers.wide { grid-template-columns:1fr; }
h3 small { color:var(--soft); font-weight:400; margin-left:6px; }
.right { color:var(--good); font-weight:600; } .wrong { color:var(--bad); font-weight:600; }
code { font:12.5px ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace; background:var(--wash);
  border-radius:4px; padding:1px 5px; }
pre { background:var(--wash); border:1px solid var(--line); border-radius:8px; padding:12px 14px; overflow-x:auto; }
pre code { background:none; padding:0; }
footer { margin-top:56px; color:var(--soft); font-size:13px; border-top:1px solid var(--line); padding-top:14px; }
@media (max-width:720px) { .cards { grid-template-columns:1fr; } main { padding:24px 16px 48px; } }
"""
