/** `npm run build`: bundles the programs of Lathe into dist/ and removes what is none of theirs. */
import { readdirSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { bundle, isPresent, programs } from "./bundle";

const dist = fileURLToPath(new URL("../dist", import.meta.url));

const started = performance.now();
const present = programs.filter(isPresent);
const built = await Promise.allSettled(present.map((program) => bundle(program, dist)));
built.forEach((each, i) => {
  if (each.status !== "fulfilled") return;
  const kilobytes = (each.value / 1000).toFixed(0);
  const { file, mostBytes } = present[i]!;
  const most = mostBytes === undefined ? "" : `, at most ${mostBytes / 1000}`;
  console.log(`${`dist/${file}`.padEnd(26)} ${kilobytes.padStart(6)} kB${most}`);
});
for (const { source } of programs.filter((each) => !present.includes(each)))
  console.log(`${source} is not there: left out`);
// What went wrong has been printed already, with file and line.
if (built.some(({ status }) => status === "rejected")) process.exit(1);
// Not before: a run that has just been started may still be reading its program.
const fresh = new Set(present.flatMap(({ file }) => [file, `${file}.map`]));
for (const file of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  const path = relative(dist, join(file.parentPath, file.name)).replaceAll("\\", "/");
  if (file.isFile() && !fresh.has(path)) rmSync(join(dist, path));
}
console.log(`built in ${((performance.now() - started) / 1000).toFixed(1)} s`);
