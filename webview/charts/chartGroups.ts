/** Which metrics share a chart: those that measure the same of training and of validation. */
export interface ChartGroup {
  readonly title: string;
  readonly metrics: readonly string[];
}

const paired: readonly string[] = ["train", "eval"];

/** In the order given, with `train/` before `eval/`: the first is drawn solid, the second dashed. */
export function chartGroups(metrics: readonly string[]): ChartGroup[] {
  const groups = new Map<string, string[]>();
  for (const metric of metrics) {
    const { prefix, rest } = parts(metric);
    const key = paired.includes(prefix) ? rest : metric;
    groups.set(key, [...(groups.get(key) ?? []), metric]);
  }
  const order = (metric: string) => paired.indexOf(parts(metric).prefix);
  return [...groups].map(([key, members]) => ({
    title: members.length === 1 ? members[0]! : key,
    metrics: members.sort((a, b) => order(a) - order(b)),
  }));
}

/** `train/loss` → `train` and `loss`; of more slashes the first counts. */
export function parts(metric: string): { readonly prefix: string; readonly rest: string } {
  const slash = metric.indexOf("/");
  return { prefix: metric.slice(0, Math.max(0, slash)), rest: metric.slice(slash + 1) };
}
