/** `lathe compare FIRST SECOND`: two runs or evaluations on the documents of their tasks. */
import { resolve } from "node:path";
import { formatTaskDifference } from "../../backend/evaluation/harness/summarizeTask";
import {
  compareTask,
  type EvaluatedTasks,
  listCommonTasks,
  readRunTasks,
} from "../../backend/runs/folder/compareTasks";
import {
  findEvaluation,
  getEvaluationsFolder,
  isEvaluation,
  readEvaluation,
} from "../../backend/runs/folder/evaluationFolder";
import { findWorkspaceAround } from "../../backend/runs/folder/runLocation";
import { WorkbenchError } from "../../protocol/errors";
import { defaultResamples } from "../../statistics/pairedComparison";
import { defineCommand } from "../command";
import { parseNumber } from "../optionParsing";
import { type RunsOption, runsOption, selectRun } from "../runSelection";
import { formatTable } from "../table";
import { toPlainLine } from "../terminal";

interface Options extends RunsOption {
  readonly resamples?: number;
  readonly seed?: number;
}

export default defineCommand<[first: string, second: string], Options>({
  summary: "compare two runs or evaluations document by document on the tasks that both evaluated",
  arguments: [
    [
      "<first>",
      "a run (its id, folder or `last`), or an evaluation of `lathe eval --tasks` (its id or folder)",
    ],
    ["<second>", "the other one; differences are second minus first"],
  ],
  options: [
    runsOption,
    [
      "--resamples <count>",
      `bootstrap resamples of the documents; default: ${defaultResamples}`,
      parseNumber,
    ],
    ["--seed <number>", "seed of the resamples; default: 0", parseNumber],
  ],
  async run({ args: [firstText, secondText], options, terminal }) {
    const [first, second] = [await select(firstText, options), await select(secondText, options)];
    const { resamples = defaultResamples, seed = 0 } = options;
    const names = listCommonTasks(first, second);
    if (names.length === 0)
      throw new WorkbenchError(
        "invalid-input",
        `${first.id} and ${second.id} have no task in common. Evaluate both with evaluate: {tasks: {names: [...]}} or \`lathe eval MODEL --tasks NAMES\`.`,
      );
    const values = names.flatMap((name) => compareTask(name, first, second, { resamples, seed }));
    const rows = values.map((each) => [
      toPlainLine(each.value),
      String(each.documents),
      each.first.toFixed(4),
      each.second.toFixed(4),
      formatTaskDifference(each.difference),
      each.interval === undefined
        ? ""
        : `${formatTaskDifference(each.interval[0])} to ${formatTaskDifference(each.interval[1])}`,
      each.p === undefined ? "" : `${each.onlyFirst} : ${each.onlySecond}`,
      each.p === undefined ? "" : each.p.toPrecision(3),
    ]);
    const head = [
      "value",
      "documents",
      "first",
      "second",
      "difference",
      "95 %",
      "only first : second",
      "McNemar p",
    ];
    return {
      document: { first: first.id, second: second.id, resamples, seed, values },
      text: formatTable(head, rows, terminal),
    };
  },
});

async function select(text: string, options: RunsOption): Promise<EvaluatedTasks> {
  if (isEvaluation(resolve(text))) return readEvaluation(resolve(text));
  const evaluation = findEvaluation(text, getEvaluationsFolder(findWorkspaceAround(process.cwd())));
  if (evaluation !== undefined) return readEvaluation(evaluation);
  const { folder, record } = await selectRun(text, options);
  return readRunTasks(folder, record);
}
