/**
 * `npm run sizes`: what the host's program and the pages are made of, the largest parts first: packages, and folders of our
 * own. `npm run sizes -- backend.cjs` shows any other program of dist/.
 */
import { programs } from "./bundle";
import { measureParts } from "./bundleParts";

const maxParts = 10;
const requested = process.argv.slice(2);
const selectedPrograms = programs.filter(({ file, mostBytes }) =>
  requested.length === 0 ? mostBytes !== undefined : requested.includes(file),
);
if (selectedPrograms.length === 0) {
  console.error(`No program of that name; there are ${programs.map(({ file }) => file).join(", ")}.`);
  process.exitCode = 1;
}
const formatKilobytes = (bytes: number) => `${(bytes / 1000).toFixed(1).padStart(9)} kB`;

for (const program of selectedPrograms) {
  const parts = await measureParts(program);
  const sum = [...parts.values()].reduce((all, bytes) => all + bytes, 0);
  const { file, mostBytes } = program;
  console.log(
    `\n${formatKilobytes(sum)}  dist/${file}${mostBytes === undefined ? "" : `, at most ${mostBytes / 1000}`}`,
  );
  for (const [part, bytes] of [...parts].slice(0, maxParts))
    console.log(`${formatKilobytes(bytes)}    ${part}`);
  const rest = [...parts.values()].slice(maxParts);
  if (rest.length > 0)
    console.log(`${formatKilobytes(rest.reduce((all, bytes) => all + bytes))}    ${rest.length} more`);
}
