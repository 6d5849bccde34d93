/** Settings that replace what variants were to differ in, so that a control may no longer be one. */
import type { RunPlan } from "../../../protocol/run";

/** A warning for each setting; `plans` are those without any. */
export function findFlattenedVariants(
  settings: Readonly<Record<string, unknown>>,
  plans: readonly RunPlan[],
): string[] {
  return Object.entries(settings).flatMap(([path, value]) => {
    // What is swept is meant to be replaced by a single value.
    if (plans.some(({ sweep }) => path in sweep)) return [];
    const variants = new Map<string, string[]>();
    for (const plan of plans) {
      const own = formatValue(readSetting(plan, path));
      const names = variants.get(own) ?? [];
      if (!names.includes(plan.variant)) variants.set(own, [...names, plan.variant]);
    }
    if (variants.size < 2) return [];
    const groups = [...variants].map(([own, names]) => `${own} in ${names.join(", ")}`);
    return [
      `${path}=${formatValue(value)} applies to every variant, also where the experiment sets different values: ${groups.join("; ")}. Comparisons that rely on them no longer hold.`,
    ];
  });
}

/** Of several actions of one name, the values of all of them. */
function readSetting({ steps, data, model }: RunPlan, path: string): unknown {
  const [head = "", ...rest] = path.split(".");
  const roots =
    head === "data"
      ? [data]
      : head === "model"
        ? [model]
        : steps.filter(({ action }) => action === head).map(({ options }) => options);
  return roots.map((root) => rest.reduce<unknown>(getKey, root));
}

function getKey(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}

function formatValue(value: unknown): string {
  const [only] = Array.isArray(value) && value.length === 1 ? (value as unknown[]) : [value];
  return only === undefined ? "nothing" : JSON.stringify(only);
}
