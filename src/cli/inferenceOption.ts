/** `--inference cache.h2o.budget=0.25`: how a model runs, with the keys of an evaluate cell. */
import * as z from "zod";
import type { Inference } from "../backend/evaluation/inference";
import { splitEvaluation } from "../backend/evaluation/parseInference";
import { toFaults } from "../backend/experiment/faults";
import { parseSettings } from "../backend/experiment/settings";
import { schemaCatalog } from "../backend/schemaCatalog";
import { InvalidInput } from "../protocol/errors";
import { createInferenceSchema } from "../schema/inference";
import type { OptionSpec } from "./command";
import { collect } from "./optionParsing";

export const inferenceOption: OptionSpec = [
  "--inference <key=value>",
  "how the model runs, such as cache.h2o.budget=0.25 or cache.full={}; repeatable",
  collect,
];

/** Throws with the keys that are wrong and what is allowed. */
export function parseInferenceOption(settings: readonly string[] | undefined): Inference {
  if (settings === undefined) return {};
  const value: Record<string, unknown> = {};
  for (const [path, setting] of Object.entries(parseSettings(settings, "--inference")))
    assign(value, path.split("."), setting);
  const schema = createInferenceSchema(schemaCatalog);
  const parsed = schema.safeParse(value);
  if (!parsed.success)
    throw new InvalidInput(
      toFaults(parsed.error.issues, {
        name: "inference",
        schema,
        value,
        locate: () => ({ setting: "--inference" }),
        complete: true,
      }),
    );
  return splitEvaluation({ inference: parsed.data }).inference;
}

function assign(target: Record<string, unknown>, [key, ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) {
    target[key!] = value;
    return;
  }
  const inner = z.record(z.string(), z.unknown()).safeParse(target[key!]);
  const next = inner.success ? inner.data : {};
  target[key!] = next;
  assign(next, rest, value);
}
