/** The whole style of the status page; below 50 em each row of the table becomes a card. */
export const STYLE = `
:root { color-scheme: light dark;
  --ground: #f6f7f9; --sheet: #fff; --ink: #1b1f24; --soft: #59636e; --line: #d9dee4;
  --good: #116329; --goodbg: #dafbe1; --bad: #a40e26; --badbg: #ffebe9; --busy: #0550ae; --busybg: #ddf4ff; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #0d1117; --sheet: #161b22; --ink: #e6edf3; --soft: #9198a1; --line: #30363d;
  --good: #7ee787; --goodbg: #12261e; --bad: #ffa198; --badbg: #2d1517; --busy: #a5d6ff; --busybg: #0c2d4a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 88rem; padding: 1.5rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
header { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; justify-content: space-between; }
h1 { margin: 0; font-size: 1.5rem; }
h2 { margin: 2rem 0 .75rem; font-size: 1.1rem; }
p { margin: .5rem 0; }
.soft { color: var(--soft); }
.bad { color: var(--bad); }
.sheet { background: var(--sheet); border: 1px solid var(--line); border-radius: .5rem; }
dl.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; margin: 1rem 0 0; }
dl.figures div { padding: .75rem 1rem; }
dt { color: var(--soft); font-size: .85rem; }
dd { margin: 0; }
dl.figures dd { font-size: 1.35rem; font-variant-numeric: tabular-nums; }
dl.figures dd small { display: block; font-size: .8rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.engines { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: .75rem; }
.engines > div { padding: .75rem 1rem; }
.engines h3 { margin: 0 0 .25rem; font-size: 1rem; }
.engines dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .75rem; margin: 0; }
.engines dd { overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; table-layout: fixed; }
.names { width: 26%; } .issuer { width: 9%; } .states { width: 20%; } .ends, .version { width: 12.5%; }
th, td { padding: .6rem .75rem; text-align: left; vertical-align: top; }
thead th { color: var(--soft); font-size: .85rem; font-weight: 600; }
tbody tr { border-top: 1px solid var(--line); }
tbody th { font-weight: 600; overflow-wrap: anywhere; }
tbody th small, td small { display: block; color: var(--soft); font-weight: 400; font-size: .8rem; overflow-wrap: anywhere; }
td small.bad { color: var(--bad); }
time, .nowrap { white-space: nowrap; }
code { font: .85em/1.4 ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.state { display: inline-block; padding: .05rem .6rem; border-radius: 1rem; font-size: .85rem; background: var(--busybg); color: var(--busy); }
.state.issued { background: var(--goodbg); color: var(--good); }
.state.failed, .state.expired { background: var(--badbg); color: var(--bad); }
@media (max-width: 56rem) {
  body { padding: 1rem; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody, tr, tbody th, td { display: block; }
  tbody tr { padding: .75rem 1rem; }
  tbody tr:first-child { border-top: 0; }
  tbody th { padding: 0 0 .35rem; }
  td { display: grid; grid-template-columns: 5.5rem 1fr; padding: .15rem 0; }
  td::before { content: attr(data-label); color: var(--soft); }
  td > * { grid-column: 2; justify-self: start; }
}
`;
