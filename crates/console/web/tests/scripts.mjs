// Script for every place that others can name; `tests/e2e` calls with it, too.

/** Ways to smuggle script, multiplied to a thousand. */
export const SCRIPTS = Array.from({ length: 1_000 }, (_, n) => {
  const run = `window.pwned=${n}`;
  return [
    `<script>${run}</script>`, `<img src=x onerror="${run}">`, `"><svg onload=${run}>`, `javascript:${run}`, `{${run}}`, `\${${run}}`, `{@html "<b onclick=${run}>"}`,
    `</textarea><script>${run}</script>`, `<iframe srcdoc="<script>parent.${run}</script>">`, `' onmouseover='${run}`, `<a href="javascript:${run}">x</a>`, `\u202e<script>${run}`,
    `<style>*{background:url("javascript:${run}")}</style>`, `<math><mi xlink:href="data:x,${run}">`, `%3Cscript%3E${run}`, `&lt;script&gt;${run}`, `<details open ontoggle=${run}>`,
  ][n % 17] + n;
});
