/**
 * Rows with a label as documents whose last token is the place of the label among all labels: with everything before it
 * masked, the one label of a sequence is at the last token of the text, where a classifier's head is read.
 */
import { createHash } from "node:crypto";
import type { DataOptions } from "../../schema/experiment";
import { WorkbenchError } from "../../protocol/errors";
import type { Origin } from "./origin";
import { shuffleIndices } from "./partition";
import type { Fragment } from "./pieces";
import { describeLabels, type Labels, formatShortList } from "./labels";
import { computeHash, type Source, type SourceReading } from "./source";

/** What is in one split. */
export interface LabeledCounts {
  readonly rows: number;
  /** Rows of each class, in the order of the classes; empty where labels are numbers. */
  readonly classes: readonly number[];
  /** Rows whose text is that of an earlier row of the split. */
  readonly duplicates: number;
  /** Rows whose text is also a training text. */
  readonly leaked: number;
  /** Rows that are skipped because they have no text. */
  readonly empty: number;
  /** Rows that are skipped because their label means that there is no gold label. */
  readonly unlabelled?: number;
}

export interface LabeledSummary {
  readonly labels: readonly string[];
  readonly train: LabeledCounts;
  readonly validation?: LabeledCounts;
  readonly test?: LabeledCounts;
}

export interface LabeledData {
  readonly origin: Origin;
  readonly labels: Labels;
  readonly summary: LabeledSummary;
  readonly notices: readonly string[];
}

export function isLabeled({ label_column: column }: Pick<DataOptions, "label_column">): boolean {
  return column !== undefined;
}

type SplitName = "train" | "validation" | "test";

interface SplitScan {
  readonly counts: LabeledCounts;
  /** Class of each row that is kept, by its number. */
  readonly rowClasses: ReadonlyMap<number, number>;
}

/** Reads all rows: what the labels are, which texts repeat or are in two splits, and which rows are kept. */
export async function labelData(
  origin: Origin,
  options: DataOptions,
  { signal, report }: Pick<SourceReading, "signal" | "report">,
): Promise<LabeledData> {
  const reading = { signal, report };
  const { labels, notices, noLabel } = await readLabels(origin, options, reading);
  const labelValues = labels.values;
  const classes = new Map(labelValues.map((value, i) => [value, i]));
  const texts = new Set<string>();
  const trainScan = await scanSplit(origin.train, "train", { classes, texts, noLabel, options, reading });
  const present = new Set(trainScan.rowClasses.values()).size;
  if (present < 2)
    throw new WorkbenchError(
      "invalid-input",
      `All ${trainScan.counts.rows} rows of ${origin.train.title} have the same label, so there is nothing to learn. ` +
        `Check data.label_column "${options.label_column!}"${trainScan.counts.unlabelled !== undefined ? `; data.no_label leaves out ${trainScan.counts.unlabelled} rows` : ""}.`,
    );
  const heldOutScans = await Promise.all(
    (["validation", "test"] as const).map(async (name) =>
      origin[name] === undefined
        ? undefined
        : scanSplit(origin[name], name, { classes, texts, noLabel, options, reading }),
    ),
  );
  const [validationScan, testScan] = heldOutScans.map((scan) =>
    scan?.rowClasses.size === 0 ? undefined : scan,
  );
  const unlabeledSplits = (["validation", "test"] as const).filter(
    (_, i) => heldOutScans[i]?.rowClasses.size === 0,
  );
  const heldOutRows =
    validationScan === undefined ? drawHeldOutRows(trainScan.rowClasses, labels, options) : new Set<number>();
  const part = (source: Source, scan: SplitScan, name: string, isIn: (row: number) => boolean): Source =>
    selectRows(
      source,
      scan.rowClasses,
      isIn,
      computeHash([
        name,
        labelValues,
        options.split_seed,
        options.val_fraction,
        options.val_set_size,
        options.drop_duplicates,
        options.no_label,
      ]),
    );
  const validation =
    validationScan !== undefined
      ? part(origin.validation!, validationScan, "validation", () => true)
      : heldOutRows.size === 0
        ? undefined
        : part(origin.train, trainScan, "held back", (row) => heldOutRows.has(row));
  const counts = ({ counts: { classes: each, ...others } }: SplitScan): LabeledCounts => ({
    ...others,
    classes: labels.kind === "numbers" ? [] : each,
  });
  const summary: LabeledSummary = {
    labels: labels.names,
    train: counts(trainScan),
    ...(validationScan === undefined ? {} : { validation: counts(validationScan) }),
    ...(testScan === undefined ? {} : { test: counts(testScan) }),
  };
  return {
    origin: {
      ...origin,
      train: part(origin.train, trainScan, "train", (row) => !heldOutRows.has(row)),
      validation,
      test: testScan && part(origin.test!, testScan, "test", () => true),
    },
    labels,
    summary,
    notices: [
      ...notices,
      ...createNotices(summary, options),
      ...unlabeledSplits.map((name) => `No row of the ${name} split has a gold label, so it is not used.`),
    ],
  };
}

/** Labels that mean that there is no gold label, by default −1 among classes. */
function getNoLabelValues({ no_label, labels, problem_type }: DataOptions): ReadonlySet<string> {
  const values = no_label ?? (problem_type === "regression" ? [] : ["-1"]);
  return new Set(values.filter((value) => labels?.includes(value) !== true));
}

async function readLabels(
  { train, validation, test }: Origin,
  options: DataOptions,
  reading: SourceReading,
): Promise<ReturnType<typeof describeLabels> & { noLabel: ReadonlySet<string> }> {
  const isListed = options.labels !== undefined && options.problem_type !== "regression";
  const noLabel = getNoLabelValues(options);
  const labelValues = isListed ? new Set<string>() : await collectLabelValues(train, noLabel, reading);
  const column = { title: train.title, labelValues, names: await train.classNames?.(options.label_column!) };
  const described = describeLabels(column, options);
  if (described.labels.kind === "classes") return { ...described, noLabel };
  const numbers = { ...options, problem_type: "regression" as const };
  const noNumber = getNoLabelValues(numbers);
  // Numbers that only a held-out split has are not new classes.
  for (const source of [train, validation, test])
    if (source !== undefined)
      for (const value of await collectLabelValues(source, noNumber, reading)) labelValues.add(value);
  return { labels: describeLabels(column, numbers).labels, notices: described.notices, noLabel: noNumber };
}

async function collectLabelValues(
  source: Source,
  noLabel: ReadonlySet<string>,
  reading: SourceReading,
): Promise<Set<string>> {
  const values = new Set<string>();
  for await (const { label } of source.fragments(reading))
    if (label !== undefined && label !== "" && !noLabel.has(label)) values.add(label);
  return values;
}

interface ScanContext {
  readonly classes: ReadonlyMap<string, number>;
  /** Hashes of training texts; filled by the training split, which is looked at first. */
  readonly texts: Set<string>;
  readonly noLabel: ReadonlySet<string>;
  readonly options: DataOptions;
  readonly reading: SourceReading;
}

async function scanSplit(
  source: Source,
  split: SplitName,
  { classes, texts, noLabel, options, reading }: ScanContext,
): Promise<SplitScan> {
  const hashes = new Set<string>();
  const rowClasses = new Map<number, number>();
  const counts = new Array<number>(classes.size).fill(0);
  let [row, duplicates, leaked, empty, unlabelled] = [-1, 0, 0, 0, 0];
  for await (const { text, label } of source.fragments(reading)) {
    row++;
    if (text.trim() === "") {
      empty++;
      continue;
    }
    if (label !== undefined && noLabel.has(label)) {
      unlabelled++;
      continue;
    }
    const at = getClass(label, classes, source, row);
    const hash = createHash("sha1").update(text).digest("base64");
    const isDuplicate = hashes.has(hash);
    if (isDuplicate) duplicates++;
    if (split !== "train" && texts.has(hash)) leaked++;
    hashes.add(hash);
    if (split === "train") texts.add(hash);
    if (isDuplicate && options.drop_duplicates) continue;
    rowClasses.set(row, at);
    counts[at]!++;
  }
  // A published test split has no gold labels at all; training needs some.
  if (rowClasses.size === 0 && (split === "train" || unlabelled === 0))
    throw new WorkbenchError(
      "invalid-input",
      unlabelled === 0
        ? `There is no row with text in ${source.title}.`
        : `All ${unlabelled} rows of ${source.title} have no gold label (data.no_label). Name a split with labels, or set data.no_label: [].`,
    );
  return {
    counts: {
      rows: rowClasses.size,
      classes: counts,
      duplicates,
      leaked,
      empty,
      ...(unlabelled > 0 ? { unlabelled } : {}),
    },
    rowClasses,
  };
}

function getClass(
  label: string | undefined,
  classes: ReadonlyMap<string, number>,
  source: Source,
  row: number,
): number {
  const at = label === undefined ? undefined : classes.get(label);
  if (at !== undefined) return at;
  const names = [...classes.keys()];
  throw new WorkbenchError(
    "invalid-input",
    `Row ${row + 1} of ${source.title} has ${label === undefined || label === "" ? "no label" : `the label ${JSON.stringify(label)}`}; ` +
      `labels are ${formatShortList(names)}. Fix the row, or list all labels in data.labels.`,
    { allowed: names },
  );
}

/** The same share of every class (rounded), drawn by the split's seed, so that a rare class is in both parts; of numbers any rows. */
function drawHeldOutRows(
  rowClasses: ReadonlyMap<number, number>,
  { kind, values }: Labels,
  { val_fraction, val_set_size, split_seed }: DataOptions,
): Set<number> {
  const share = val_set_size === undefined ? val_fraction : Math.min(1, val_set_size / rowClasses.size);
  const heldOut = new Set<number>();
  const groups = kind === "numbers" ? 1 : values.length;
  for (let each = 0; each < groups; each++) {
    const rows = [...rowClasses].flatMap(([row, at]) => (kind === "numbers" || at === each ? [row] : []));
    const order = shuffleIndices(rows.length, (split_seed ^ Math.imul(each + 1, 0x9e3779b1)) | 0);
    for (let i = 0; i < Math.round(share * rows.length); i++) heldOut.add(rows[order[i]!]!);
  }
  return heldOut;
}

function selectRows(
  source: Source,
  rowClasses: ReadonlyMap<number, number>,
  isIn: (row: number) => boolean,
  key: string,
): Source {
  return {
    ...source,
    key: computeHash([source.key, key]),
    async *fragments(context): AsyncGenerator<Fragment> {
      let row = -1;
      for await (const fragment of source.fragments(context)) {
        row++;
        const at = rowClasses.get(row);
        if (at !== undefined && isIn(row)) yield { ...fragment, classNumber: at };
      }
    },
  };
}

function createNotices({ labels, ...splits }: LabeledSummary, options: DataOptions): string[] {
  const notices: string[] = [];
  const { train } = splits;
  const largest = train.classes.reduce((most, count) => Math.max(most, count), 0);
  const share = largest / train.rows;
  const name = labels[train.classes.indexOf(largest)];
  if (name !== undefined && share > 1.5 / labels.length)
    notices.push(
      `${(100 * share).toFixed(1)} % of the training rows are ${JSON.stringify(name)}, which is the accuracy of always predicting it. Compare F1 or Matthews correlation as well as accuracy.`,
    );
  for (const [split, counts] of Object.entries(splits)) {
    if (counts.duplicates > 0)
      notices.push(
        `${counts.duplicates} rows of the ${split} split repeat an earlier text${options.drop_duplicates ? " and are left out" : ". data.drop_duplicates leaves them out"}.`,
      );
    if (counts.leaked > 0)
      notices.push(
        `${counts.leaked} texts of the ${split} split are training texts too: what is measured on them is remembered, not learned.`,
      );
    if (counts.unlabelled !== undefined)
      notices.push(
        `${counts.unlabelled} rows of the ${split} split have no gold label (${(options.no_label ?? ["-1"]).join(", ")}) and are left out.`,
      );
    if (counts.empty > 0)
      notices.push(`${counts.empty} rows of the ${split} split have no text and are left out.`);
  }
  return notices;
}
