/** The settings of a run that may be changed to run it again, with what the schema reports about each. */
import type { RunPlan } from "../../protocol/run";
import type { RunSetting } from "../../protocol/service/again";
import type { ExperimentSchema } from "../../schema/experiment";
import { isMap } from "../experiment/plainMap";
import { formatPlainValue, getFacts } from "./schemaFacts";
import { listSweepPaths } from "./sweepPaths";

interface Part {
  /** The start of its paths: `train`, or `train.1` where there are several. */
  readonly prefix: string;
  readonly key: string;
  readonly value: unknown;
}

/** Single values only, the actions first. Lists and maps are changed in a copied cell. */
export function listRunSettings(plan: RunPlan, schema: ExperimentSchema): RunSetting[] {
  const { steps, data, model, seed, device, parallel } = plan;
  const parts: Part[] = [
    ...steps.map(({ action, options }, index): Part => {
      const before = steps.slice(0, index).filter((step) => step.action === action).length;
      const isOnly = steps.filter((step) => step.action === action).length === 1;
      return { prefix: isOnly ? action : `${action}.${before}`, key: action, value: options };
    }),
    { prefix: "seed", key: "seed", value: seed },
    { prefix: "device", key: "device", value: device },
    ...(parallel === undefined ? [] : [{ prefix: "parallel", key: "parallel", value: parallel }]),
    ...(model === undefined ? [] : [{ prefix: "model", key: "model", value: model }]),
    ...(data === undefined ? [] : [{ prefix: "data", key: "data", value: data }]),
  ];
  return parts.flatMap(({ prefix, key, value }) =>
    listSweepPaths(schema, { [key]: value })
      .filter(([path]) => path === key || path.startsWith(`${key}.`))
      .map(([path, option]): RunSetting => {
        const { description, type, values } = getFacts(option);
        const current = path.split(".").slice(1).reduce<unknown>(getKey, value);
        return {
          path: `${prefix}${path.slice(key.length)}`,
          ...(current === undefined ? {} : { value: formatPlainValue(current) }),
          description,
          type,
          values: values.map((each) => formatPlainValue(each)),
        };
      }),
  );
}

function getKey(value: unknown, key: string): unknown {
  return isMap(value) ? value[key] : undefined;
}
