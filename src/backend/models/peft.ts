/** The names and settings that PEFT gives to the adapters of a model. */
import { type AdaptedOptions, adapterNames } from "../representations/adapted";

/** What PEFT writes before the name of a module. */
export const peftPrefix = "base_model.model.";
export const adapterConfigName = "adapter_config.json";
export const adapterWeightsName = "adapter_model.safetensors";

/** The module and the kind of an adapter's tensor; undefined for any other tensor. */
export function parseAdapterName(
  name: string,
): { readonly module: string; readonly kind: (typeof adapterNames)[number] } | undefined {
  const kind = adapterNames.find((each) => name.endsWith(`.${each}`));
  return kind === undefined ? undefined : { module: name.slice(0, -kind.length - 1), kind };
}

/** Whether two adapters have the same settings. */
export function haveEqualSettings(one: AdaptedOptions, other: AdaptedOptions): boolean {
  return (Object.keys(one) as (keyof AdaptedOptions)[]).every((key) => one[key] === other[key]);
}
