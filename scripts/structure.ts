/**
 * `npm run structure [FOLDER]`: prints the rooms of this checkout or of another one, with their floors and imports.
 * `npm run generate` writes the same into docs/structure.svg and docs/structure.md.
 */
import { fileURLToPath } from "node:url";
import { createStructureMarkdown } from "./structure/drawing";
import { readSources } from "./structure/imports";
import { getFolder, measureStructure } from "./structure/rooms";

const root = process.argv[2] ?? fileURLToPath(new URL("..", import.meta.url));
const sources = readSources(root, ["src", "webview"]);
console.log(createStructureMarkdown(measureStructure(sources)));
const folders = measureStructure(sources, getFolder);
const arrows = [...folders.imports.values()].reduce((sum, targets) => sum + targets.length, 0);
console.log(
  `\nCounting every folder as a room: ${folders.imports.size} rooms, ${arrows} imports between them.`,
);
