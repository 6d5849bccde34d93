/** The page of published systems: what each is, where it is in Lathe, or why it has no meaning for language models. */
import { existsSync } from "node:fs";
import path from "node:path";
import { analysis } from "./systems/analysis";
import { architectures } from "./systems/architectures";
import { outside } from "./systems/outside";
import { pruning } from "./systems/pruning";
import { quantization } from "./systems/quantization";
import { runTime } from "./systems/runTime";
import { sharing } from "./systems/sharing";
import { training } from "./systems/training";
import type { System } from "./systems/system";

const groups: Readonly<Record<string, readonly System[]>> = {
  Pruning: pruning,
  "Quantization and coding": quantization,
  "Factors and sharing": sharing,
  "Smaller architectures and search": architectures,
  "Distillation and training": training,
  "Run time": runTime,
  "Analysis and evaluation": analysis,
  "Outside language models": outside,
};

export const systems: readonly System[] = Object.values(groups).flat();

/** Throws if a system names a file that is not there, or neither a place nor a reason. */
export function checkSystems(root: string): void {
  for (const { title, files = [], page, keys, note } of systems) {
    const missing = [...files, ...(page === undefined ? [] : [page])].find(
      (file) => !existsSync(path.join(root, file)),
    );
    if (missing !== undefined) throw new Error(`${title}: there is no ${missing}.`);
    if (files.length === 0 && note === undefined)
      throw new Error(`${title} is neither here nor has a reason why not.`);
    if (files.length > 0 && (keys === undefined || page === undefined))
      throw new Error(`${title} is here and needs the keys that use it and a page.`);
  }
}

export function createSystemsPage(root: string): string {
  checkSystems(root);
  const here = systems.filter(({ files = [] }) => files.length > 0).length;
  return [
    "# Published systems",
    "",
    "<!-- Written by `npm run generate` from scripts/systems.ts. -->",
    "",
    `${systems.length} systems that make models smaller or cheaper, or that measure what is lost: what each does, and where it is in Lathe. ${here} of them work here, in whole or in part; the others are named with the reason. [Methods](methods.md) describes further methods and controls that are not of this collection.`,
    ...Object.entries(groups).flatMap(([group, rows]) => ["", `## ${group}`, "", ...createTable(rows)]),
    "",
  ].join("\n");
}

function createTable(rows: readonly System[]): string[] {
  const line = ({ title, source, idea, files = [], keys, page, note }: System) => {
    const name = `${title} (${isArxiv(source) ? `[arXiv ${source}](https://arxiv.org/abs/${source})` : source})`;
    const places = files.map((file) => `[${path.basename(file, ".ts")}](../${file})`).join(", ");
    const about =
      page === undefined
        ? ""
        : `[${path.basename(page)}](${page.startsWith("docs/") ? page.slice("docs/".length) : `../${page}`})`;
    return `| ${name} | ${idea} | ${keys === undefined ? "" : `\`${keys}\``} | ${[places, about].filter((each) => each !== "").join("; ")} | ${note ?? ""} |`;
  };
  return [
    "| system | idea | in an experiment | code and page | remarks |",
    "| --- | --- | --- | --- | --- |",
    ...rows.map(line),
  ];
}

const isArxiv = (source: string) => /^\d{4}\.\d{4,5}$/.test(source);
