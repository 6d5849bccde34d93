/** Which metrics share a chart: those that measure the same of training and of validation. */
export interface ChartGroup {
  readonly title: string;
  readonly metrics: readonly string[];
}

const prefixOrder: readonly string[] = ["eval", "train"];

/** In the order given, with `eval/`, which is what counts, before `train/`: the first is drawn solid, the second dashed. */
export function groupMetrics(metrics: readonly string[]): ChartGroup[] {
  const groups = new Map<string, string[]>();
  for (const metric of metrics) {
    const { prefix, rest } = splitMetric(metric);
    const key = prefixOrder.includes(prefix) ? rest : metric;
    groups.set(key, [...(groups.get(key) ?? []), metric]);
  }
  const getOrder = (metric: string) => prefixOrder.indexOf(splitMetric(metric).prefix);
  return [...groups].map(([key, members]) => ({
    title: members.length === 1 ? members[0]! : `eval/${key} and train/${key}`,
    metrics: members.sort((a, b) => getOrder(a) - getOrder(b)),
  }));
}

/** `train/loss` → `train` and `loss`; of more slashes the first counts. */
export function splitMetric(metric: string): { readonly prefix: string; readonly rest: string } {
  const slash = metric.indexOf("/");
  return { prefix: metric.slice(0, Math.max(0, slash)), rest: metric.slice(slash + 1) };
}
