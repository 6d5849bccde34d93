/** Whether a model supports the metrics and the inference of an evaluate cell, as far as that is known before data is read. */
import { metrics } from "../../evaluation/catalog";
import { checkInference } from "../../evaluation/openNextToken";
import { refuseUnsupported, splitEvaluation } from "../../evaluation/parseInference";
import type { Step } from "../../../protocol/run";
import type { ModelShape } from "../../models/model";

/** `sequenceLength` is that of the data cell, if there is one. */
export function refuseUnsuitedMetrics(
  shape: ModelShape,
  options: Step["options"],
  sequenceLength: number | undefined,
): void {
  const { metrics: chosen, inference } = splitEvaluation(options);
  for (const [name, values] of Object.entries(chosen)) {
    const metric = metrics[name]!;
    metric.checkModel?.(shape);
    refuseUnsupported(name, metric, inference);
    const tokens = metric.countTokens?.(shape, metric.options.parse(values), sequenceLength);
    checkInference({ shape, inference }, tokens);
  }
}
