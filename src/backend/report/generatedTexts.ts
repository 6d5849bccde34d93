/** The texts that a run has generated, from the files of its evaluations. */
import { existsSync } from "node:fs";
import * as z from "zod";
import type { Sample } from "../../protocol/blocks";
import { readBounded } from "../runs/folder/boundedFile";
import { resolveInside } from "../runs/folder/insideFolder";

const maxBytes = 8 * 2 ** 20;
/** Longer texts are not compared side by side. */
const maxCharacters = 1500;
const maxSteps = 100;

const generation = z.object({ samples: z.array(z.object({ prompt: z.string(), text: z.string() })) });

export function readGeneratedTexts(run: string): Sample[] {
  const samples: Sample[] = [];
  for (let index = 0; index < maxSteps; index++) {
    const path = resolveInside(run, `steps/${index}-evaluate/samples.json`);
    if (!existsSync(path)) continue;
    const result = generation.safeParse(JSON.parse(readBounded(path, maxBytes)));
    if (!result.success) continue;
    for (const { prompt, text } of result.data.samples)
      samples.push({ prompt, text: text.length > maxCharacters ? `${text.slice(0, maxCharacters)}…` : text });
  }
  return samples;
}
