/** The published curves and numbers that are drawn beside those of runs. */
import type { RunPlan } from "../../protocol/run";
import type { PublishedNumber, ReferenceSeries, RunSummary } from "../../protocol/service/runs";
import { type Paper, paperSchema } from "../../schema/paper";

/** The published curves and numbers of an experiment's paper. */
export function findReferences({
  paper: planPaper,
  scale,
}: RunPlan): Pick<RunSummary, "references" | "published"> {
  if (planPaper?.["series"] === undefined && planPaper?.["published"] === undefined) return {};
  const paper = paperSchema.safeParse(planPaper).data;
  if (paper === undefined) return {};
  const published = listPublishedNumbers(paper, scale);
  const numbers = published.length === 0 ? {} : { published };
  if (paper.series.length === 0) return numbers;
  const other = paper.scale !== undefined && paper.scale !== scale ? { otherScale: paper.scale } : {};
  const references = paper.series.map((series): ReferenceSeries => ({
    name: series.name,
    metric: series.metric,
    firstStep: series.first_step,
    stepInterval: series.step_interval,
    tokensPerStep: series.tokens_per_step,
    values: series.values,
    ...other,
  }));
  return { references, ...numbers };
}

/**
 * Numbers of the whole model, as a chart of sizes uses them; at another scale they can't be compared with the run's.
 */
function listPublishedNumbers(
  { published, scale: publishedAt }: Paper,
  scale: string | undefined,
): PublishedNumber[] {
  if (publishedAt !== undefined && publishedAt !== scale) return [];
  return published.flatMap(({ quantity, value, variant, roles }) =>
    roles === undefined && variant !== undefined ? [{ quantity, value, variant }] : [],
  );
}
