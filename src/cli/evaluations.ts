/** What the evaluating steps of a run have found, from `steps/<n>-evaluate/eval.json`; tolerant of what is not there. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import generate from "../backend/evaluation/generate";
import type { Sample } from "../protocol/blocks";

/** Far above any list of results. */
const maxBytes = 8 * 1024 * 1024;

/** Formats evaluations for people: counts, perplexity with its protocol, samples. Contains text of models. */
export function formatEvaluations(folder: string, { samples = true } = {}): string {
  const pages = listStepFolders(folder).flatMap(({ path }) => {
    const page = join(path, "report.md");
    const stats = statSync(page, { throwIfNoEntry: false });
    return stats === undefined || stats.size > maxBytes ? [] : [readFileSync(page, "utf8").trim()];
  });
  return pages
    .flatMap((page) => page.split(/^(?=## )/m))
    .filter((part) => samples || !part.startsWith(`## ${generate.title}\n`))
    .map((part) => part.replace(/^## .*\n\n/, "").trim())
    .join("\n\n");
}

const samplesSchema = z.object({
  generate: z.object({
    details: z.object({ samples: z.array(z.object({ prompt: z.string(), text: z.string() })) }),
  }),
});

/** What the model wrote, over all evaluations. */
export function readSamples(folder: string): readonly Sample[] {
  return readEvaluations(folder).flatMap(({ results }) => {
    const parsed = samplesSchema.safeParse(results);
    return parsed.success ? parsed.data.generate.details.samples : [];
  });
}

export interface Evaluation {
  readonly step: number;
  readonly results: unknown;
}

function readResults(path: string): unknown {
  try {
    return statSync(path).size > maxBytes ? undefined : (JSON.parse(readFileSync(path, "utf8")) as unknown);
  } catch {
    return undefined; // Not finished yet, or damaged: the run's record has the state.
  }
}

export function readEvaluations(folder: string): readonly Evaluation[] {
  return listStepFolders(folder).flatMap(({ step, path }) => {
    const results = readResults(join(path, "eval.json"));
    return results === undefined ? [] : [{ step, results }];
  });
}

function listStepFolders(folder: string): readonly { readonly step: number; readonly path: string }[] {
  let names: readonly string[];
  try {
    names = readdirSync(join(folder, "steps"));
  } catch {
    return []; // The run has not come to its first step.
  }
  return names
    .flatMap((name) => {
      const step = /^(\d+)-evaluate$/.exec(name)?.[1];
      return step === undefined ? [] : [{ step: Number(step), path: join(folder, "steps", name) }];
    })
    .sort((a, b) => a.step - b.step);
}

/** All numbers under names with a slash (`perplexity/token`), at any depth; the last evaluation wins. */
export function collectValues(evaluations: readonly Evaluation[]): Readonly<Record<string, number>> {
  const values: Record<string, number> = {};
  const visit = (value: unknown, depth: number): void => {
    if (typeof value !== "object" || value === null || depth > 4) return;
    for (const [name, entry] of Object.entries(value as Record<string, unknown>)) {
      if (typeof entry === "number" && name.includes("/")) values[name] = entry;
      else visit(entry, depth + 1);
    }
  };
  for (const { results } of evaluations) visit(results, 0);
  return values;
}
