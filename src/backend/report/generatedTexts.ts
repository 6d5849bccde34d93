/** The texts that a run has generated, from the files of its evaluations. */
import { existsSync } from "node:fs";
import * as z from "zod";
import type { Sample } from "../../protocol/blocks";
import { readBounded } from "../runs/folder/boundedFile";
import { insideFolder } from "../runs/folder/insideFolder";

const mostBytes = 8 * 2 ** 20;
/** Longer texts are not compared side by side. */
const mostLetters = 1500;
const mostSteps = 100;

const generation = z.object({ samples: z.array(z.object({ prompt: z.string(), text: z.string() })) });

export function generatedTexts(run: string): Sample[] {
  const samples: Sample[] = [];
  for (let index = 0; index < mostSteps; index++) {
    const path = insideFolder(run, `steps/${index}-evaluate/samples.json`);
    if (!existsSync(path)) continue;
    const found = generation.safeParse(JSON.parse(readBounded(path, mostBytes)));
    if (!found.success) continue;
    for (const { prompt, text } of found.data.samples)
      samples.push({ prompt, text: text.length > mostLetters ? `${text.slice(0, mostLetters)}…` : text });
  }
  return samples;
}
