/** Parses the `--set key=value` options of a command line. */
import { WorkbenchError } from "../../protocol/errors";
import { readYaml } from "./yamlText";

/** An example for each option that takes settings. */
const examples = {
  "--set": "train.max_steps=100",
  "--config": "n_layer=2",
  "--inference": "cache.h2o.budget=0.25",
};

/** Path → value; values are YAML, so `1e-3`, `true`, `[1, 2]` and `null` mean the same as in a cell. */
export function parseSettings(
  settings: readonly string[],
  flag: keyof typeof examples = "--set",
): Record<string, unknown> {
  return Object.fromEntries(
    settings.map((setting) => {
      const equals = setting.indexOf("=");
      const path = setting.slice(0, equals).trim();
      if (equals < 0 || !/^\w[\w.-]*$/.test(path))
        throw new WorkbenchError(
          "invalid-input",
          `${flag} ${setting}: write a path and a value, such as ${flag} ${examples[flag]}.`,
        );
      const { documents, faults } = readYaml(setting.slice(equals + 1));
      if (faults[0] !== undefined || documents.length > 1)
        throw new WorkbenchError(
          "invalid-input",
          `${flag} ${setting}: ${faults[0]?.message ?? "one value only"}.`,
        );
      return [path, documents[0]?.value ?? null];
    }),
  );
}
