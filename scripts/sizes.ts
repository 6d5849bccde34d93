/**
 * `npm run sizes`: what the host's program and the pages are made of, the largest parts first: packages, and folders of our
 * own. `npm run sizes -- backend.cjs` shows any other program of dist/.
 */
import { programs } from "./bundle";
import { partsOf } from "./bundleParts";

const mostParts = 10;
const wanted = process.argv.slice(2);
const shown = programs.filter(({ file, mostBytes }) =>
  wanted.length === 0 ? mostBytes !== undefined : wanted.includes(file),
);
if (shown.length === 0) {
  console.error(`No program of that name; there are ${programs.map(({ file }) => file).join(", ")}.`);
  process.exitCode = 1;
}
const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(1).padStart(9)} kB`;

for (const program of shown) {
  const parts = await partsOf(program);
  const sum = [...parts.values()].reduce((all, bytes) => all + bytes, 0);
  const { file, mostBytes } = program;
  console.log(
    `\n${kilobytes(sum)}  dist/${file}${mostBytes === undefined ? "" : `, at most ${mostBytes / 1000}`}`,
  );
  for (const [part, bytes] of [...parts].slice(0, mostParts)) console.log(`${kilobytes(bytes)}    ${part}`);
  const rest = [...parts.values()].slice(mostParts);
  if (rest.length > 0)
    console.log(`${kilobytes(rest.reduce((all, bytes) => all + bytes))}    ${rest.length} more`);
}
