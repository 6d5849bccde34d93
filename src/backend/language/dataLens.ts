/** The lens above the data: which files it reads, how much text that is, and whether it is enough for the model. */
import { WorkbenchError } from "../../protocol/errors";
import { formatBytes, formatCount, formatNumber, pluralize } from "../../protocol/quantities";
import type { RunPlan } from "../../protocol/run";
import type { Lens } from "../../protocol/service/experiments";
import { enoughTokensPerParameter } from "../../protocol/service/texts";
import type { Experiment } from "../experiment/experiment";
import type { TextSize } from "../runs/planning/textSize";

const shownFiles = 12;

/** `parameters` are the trainable ones of the largest model; 0 if they are not known. */
export async function createDataLens(
  { declarations: { data } }: Experiment,
  [plan]: readonly RunPlan[],
  parameters: number,
  measureText: ((plan: RunPlan) => Promise<TextSize | undefined>) | undefined,
): Promise<Lens | undefined> {
  if (data === undefined || plan === undefined || measureText === undefined) return undefined;
  const place = { line: data.find([], "key")?.line ?? 1, cell: data.cell };
  try {
    const size = await measureText(plan);
    return size && { ...place, ...describeText(size, parameters) };
  } catch (thrown) {
    if (!(thrown instanceof WorkbenchError) || thrown.code === "cancelled") throw thrown;
    return undefined;
  }
}

export function describeText(
  { source, files, bytes, tokens }: TextSize,
  parameters: number,
): { readonly title: string; readonly tooltip: string } {
  if (bytes === 0) return { title: "no file matches", tooltip: "Patterns are relative to the experiment." };
  const title = [source === "files" ? pluralize(files.length, "file") : source, formatBytes(bytes)];
  const list = files.slice(0, shownFiles);
  if (files.length > shownFiles) list.push(`and ${formatCount(files.length - shownFiles)} more`);
  if (tokens === undefined) return { title: title.join(" · "), tooltip: list.join("\n") };
  title.push(`${tokens.isEstimate ? "about " : ""}${formatCount(tokens.total)} tokens`);
  const perParameter = tokens.training / parameters;
  if (!(perParameter < enoughTokensPerParameter))
    return { title: title.join(" · "), tooltip: list.join("\n") };
  const ratio = `${formatNumber(perParameter, 2)} per parameter`;
  return {
    title: [...title, `${ratio}: too little text`].join(" · "),
    tooltip: [
      `${formatCount(tokens.training)} tokens for training are ${ratio} of the largest model, which has ${formatCount(parameters)}. A model can memorize so little text, and its validation loss then rises. Use more text or a smaller model.`,
      list.join("\n"),
    ].join("\n\n"),
  };
}
