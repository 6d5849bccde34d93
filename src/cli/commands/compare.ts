/** `lathe compare RUN RUN`: two runs on the documents of their tasks, by McNemar's test and the paired bootstrap. */
import { pairDocuments, readDocumentResults } from "../../backend/runs/folder/documentResults";
import { WorkbenchError } from "../../protocol/errors";
import { describeDifference, isSameProtocol } from "../../protocol/lossProtocol";
import {
  compareAnswers,
  comparePaired,
  type McNemar,
  type PairedDifference,
} from "../../statistics/pairedComparison";
import { computeMean } from "../../statistics/resampling";
import { defineCommand } from "../command";
import { parseNumber } from "../optionParsing";
import { runArgument, type RunsOption, runsOption, type SelectedRun, selectRun } from "../runSelection";
import { formatTable } from "../table";
import { toPlainLine } from "../terminal";

interface Options extends RunsOption {
  readonly resamples?: number;
  readonly seed?: number;
}

interface ComparedValue extends PairedDifference, Partial<McNemar> {
  readonly value: string;
  readonly documents: number;
  readonly first: number;
  readonly second: number;
}

const defaultResamples = 1000;

export default defineCommand<[first: string, second: string], Options>({
  summary: "compare two runs document by document on the tasks that both evaluated",
  arguments: [
    ["<first>", runArgument[1]],
    ["<second>", "the other run; differences are second minus first"],
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
    const [first, second] = [await selectRun(firstText, options), await selectRun(secondText, options)];
    const { resamples = defaultResamples, seed = 0 } = options;
    const values = compareRuns(first, second, { resamples, seed });
    const rows = values.map((each) => [
      toPlainLine(each.value),
      String(each.documents),
      each.first.toFixed(4),
      each.second.toFixed(4),
      formatSigned(each.difference),
      each.interval === undefined
        ? ""
        : `${formatSigned(each.interval[0])} to ${formatSigned(each.interval[1])}`,
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

function compareRuns(
  first: SelectedRun,
  second: SelectedRun,
  options: { readonly resamples: number; readonly seed: number },
): ComparedValue[] {
  const [firstResults, secondResults] = [
    readDocumentResults(first.folder),
    readDocumentResults(second.folder),
  ];
  const names = [...firstResults.keys()].filter((name) => secondResults.has(name));
  if (names.length === 0)
    throw new WorkbenchError(
      "invalid-input",
      `${first.id} and ${second.id} have no task in common. Evaluate both with evaluate: {tasks: {names: [...]}}.`,
    );
  return names.flatMap((name) => {
    refuseOtherProtocol(name, first, second);
    const pairs = pairDocuments(name, firstResults.get(name)!, secondResults.get(name)!);
    return [...pairs].map(([key, { first: a, second: b }]): ComparedValue => {
      const isAnswer = [...a, ...b].every((value) => value === 0 || value === 1);
      return {
        // What is kept of a cloze or a text is its log-likelihood.
        value: `${name}/${isAnswer ? key : "log_likelihood"}`,
        documents: a.length,
        first: computeMean(a),
        second: computeMean(b),
        ...comparePaired(a, b, options),
        ...(isAnswer ? compareAnswers(a, b) : {}),
      };
    });
  });
}

/** Other examples or another version of a task make other questions of the same rows. */
function refuseOtherProtocol(name: string, first: SelectedRun, second: SelectedRun): void {
  const find = ({ record }: SelectedRun) =>
    Object.entries(record.losses ?? {}).find(([key]) => key.startsWith(`${name}/`))?.[1];
  const [a, b] = [find(first), find(second)];
  if (a === undefined || b === undefined || isSameProtocol(a, b)) return;
  throw new WorkbenchError(
    "invalid-input",
    `The runs evaluated ${name} in different ways: ${describeDifference(b, a)}. Evaluate both alike.`,
  );
}

function formatSigned(value: number): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;
}
