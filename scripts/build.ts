/** `npm run build`: bundles the programs of Lathe into dist/ and removes what is none of theirs. */
import { readdirSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { bundle, isPresent, programs } from "./bundle";

const dist = fileURLToPath(new URL("../dist", import.meta.url));

const startTime = performance.now();
const presentPrograms = programs.filter(isPresent);
const results = await Promise.allSettled(presentPrograms.map((program) => bundle(program, dist)));
results.forEach((each, i) => {
  if (each.status !== "fulfilled") return;
  const kilobytes = (each.value / 1000).toFixed(0);
  const { file, mostBytes } = presentPrograms[i]!;
  const limitText = mostBytes === undefined ? "" : `, at most ${mostBytes / 1000}`;
  console.log(`${`dist/${file}`.padEnd(26)} ${kilobytes.padStart(6)} kB${limitText}`);
});
for (const { source } of programs.filter((each) => !presentPrograms.includes(each)))
  console.log(`${source} is not there: left out`);
// What went wrong has been printed already, with file and line.
if (results.some(({ status }) => status === "rejected")) process.exit(1);
// Not before: a run that has just been started may still be reading its program.
const builtFiles = new Set(presentPrograms.flatMap(({ file }) => [file, `${file}.map`]));
for (const file of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  const path = relative(dist, join(file.parentPath, file.name)).replaceAll("\\", "/");
  if (file.isFile() && !builtFiles.has(path)) rmSync(join(dist, path));
}
console.log(`built in ${((performance.now() - startTime) / 1000).toFixed(1)} s`);
