"""The style sheet that all pages begin with: light and dark, on a phone and on paper."""

STYLE = """
:root { --ink:#1d2733; --soft:#5d6b7a; --line:#e3e8ee; --wash:#f6f8fa; --paper:#fff; --a:#0b7285; --b:#c2571a;
  --floor:#97a3b0; --good:#1a7f4b; --bad:#b3261e; --learn:#ffe2a8; --learn-line:#e0a93a; --seen:#e3f2f5;
  --seen-line:#b9dde4; }
@media screen and (prefers-color-scheme:dark) { :root { --ink:#e4e9ef; --soft:#9ba8b6; --line:#2c3742; --wash:#1a222b;
  --paper:#11171d; --a:#4cc0d6; --b:#f0935a; --floor:#7b8896; --good:#56c98a; --bad:#ff8a80; --learn:#5b4716;
  --learn-line:#a57f2b; --seen:#12343c; --seen-line:#1f5763; } }
* { box-sizing:border-box; }
body { margin:0; background:var(--paper); color:var(--ink); font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
  "Noto Sans","DejaVu Sans",sans-serif; -webkit-font-smoothing:antialiased; -webkit-text-size-adjust:100%; }
main { max-width:1000px; margin:0 auto; padding:40px 28px 64px; }
h1 { font-size:30px; line-height:1.2; margin:0 0 8px; letter-spacing:-.02em; overflow-wrap:anywhere; }
h2 { font-size:20px; margin:48px 0 6px; letter-spacing:-.01em; }
h3 { font-size:15px; margin:22px 0 6px; }
h3 small { color:var(--soft); font-weight:400; margin-left:6px; }
p { margin:6px 0 12px; max-width:760px; }
.lead, .note { color:var(--soft); }
.note { font-size:13px; }
.chips { display:flex; flex-wrap:wrap; gap:8px; margin:16px 0 0; padding:0; list-style:none; font-size:13px; }
.chips li { background:var(--wash); border:1px solid var(--line); border-radius:999px; padding:3px 12px; }
.scroll { overflow-x:auto; }
table { border-collapse:collapse; width:100%; font-size:14px; margin:10px 0 4px; font-variant-numeric:tabular-nums; }
th, td { text-align:right; padding:6px 10px; border-bottom:1px solid var(--line); white-space:nowrap; }
th { color:var(--soft); font-weight:600; font-size:12.5px; vertical-align:bottom; }
th:first-child, td:first-child { text-align:left; padding-left:0; }
td.l, th.l { text-align:left; }
td.wrap { white-space:normal; }
td small { color:var(--soft); font-size:11.5px; }
figure { margin:12px 0 0; }
figcaption { font-size:13px; color:var(--soft); margin-top:4px; }
svg { display:block; max-width:100%; height:auto;
  font:12px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif; }
svg .grid { stroke:var(--line); } svg .tick { fill:var(--soft); }
.answers { display:grid; grid-template-columns:repeat(auto-fill,minmax(min(296px,100%),1fr)); gap:14px;
  margin-top:12px; }
.answer { border:1px solid var(--line); border-radius:10px; padding:12px; display:grid; grid-template-columns:96px 1fr;
  gap:12px; font-size:13px; line-height:1.4; align-content:start; break-inside:avoid; }
.answer > div { min-width:0; }
.answer img { width:96px; height:96px; border-radius:6px; object-fit:contain; background:var(--wash);
  border:1px solid var(--line); }
.answer q { display:block; quotes:none; font-weight:600; margin-bottom:6px; overflow-wrap:anywhere; }
.answer dl { margin:0; display:grid; grid-template-columns:auto 1fr; gap:1px 8px; }
.answer dt { color:var(--soft); } .answer dd { margin:0; overflow-wrap:anywhere; }
.right { color:var(--good); font-weight:600; } .wrong { color:var(--bad); font-weight:600; }
code { font:12.5px ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace; background:var(--wash);
  border-radius:4px; padding:1px 5px; overflow-wrap:anywhere; }
pre { background:var(--wash); border:1px solid var(--line); border-radius:8px; padding:12px 14px; overflow-x:auto; }
pre code { background:none; padding:0; }
.problem { color:var(--bad); font-size:13px; margin:0 0 8px; overflow-wrap:anywhere; }
footer { margin-top:56px; color:var(--soft); font-size:13px; border-top:1px solid var(--line); padding-top:14px;
  overflow-wrap:anywhere; }
@media (max-width:720px) { main { padding:24px 16px 48px; } }
@media print { main { max-width:none; padding:0; } .scroll { overflow:visible; } h2, h3 { break-after:avoid; }
  tr, figure { break-inside:avoid; } }
"""
