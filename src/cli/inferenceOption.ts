/** `--inference cache.h2o.budget=0.25`: how a model runs, with the keys of an evaluate cell. */
import type { Inference } from "../backend/evaluation/inference";
import { splitEvaluation } from "../backend/evaluation/parseInference";
import { toFaults } from "../backend/experiment/faults";
import { setValueAt } from "../backend/experiment/plainMap";
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
  const value = Object.entries(parseSettings(settings, "--inference")).reduce<unknown>(
    (all, [path, setting]) => setValueAt(all, path.split("."), setting),
    {},
  );
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
