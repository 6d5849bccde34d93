/** Writes docs/experiment.md from the zod schema of cells. */
import { actionKeys, declarationKeys } from "../src/schema/cellKeys";
import { continuedKeys, createExperimentSchema } from "../src/schema/experiment";
import { listRecipeDifferences } from "../src/schema/recipe";
import { dataSets } from "../src/backend/data/datasets/catalog";
import { namedModels } from "../src/backend/imports/named/catalog";
import { formatCode, type JsonSchema, toJsonSchema, formatType } from "../src/backend/language/typeText";
import { schemaCatalog } from "../src/backend/schemaCatalog";

const createCellSchema = () => toJsonSchema(createExperimentSchema(schemaCatalog));

const introduction = `# Experiment reference

<!-- Written by \`npm run generate\`. -->

An experiment is a Markdown file whose name ends in \`.lathe.md\`. Its cells are the fenced blocks that start in the first
column and whose info string is \`yaml\`. Everything else is prose, including blocks marked \`yaml example\` and cells inside
HTML comments. A YAML file works too, with one document per cell.

Each top-level key of a cell is a declaration or an action. A declaration occurs once. Actions run in the order of the
file, each on the current model, and may occur any number of times.

- A **variant** is all cells with some keys changed: maps are merged key by key, lists and values are replaced, and
  \`null\` removes a key or a whole action. If an action occurs several times, the change applies to all of them.
- A **sweep** lists values by path, such as \`train.learning_rate\`; every combination is one run. \`train.1.max_steps\` means
  the second \`train\` only.
- \`--set train.max_steps=100\` on the command line changes one path for one run and wins over the file.
- \`lathe resume RUN --set train.max_steps=200\` continues a run for more steps than planned, also a finished one, with the
  weights, optimizer, random numbers and place in the data of its last checkpoint. What ran after the training runs again.
  The learning rate is that of the schedule over the new number of steps: under a constant schedule the run equals one
  planned with 200 steps; under \`cosine\`, \`linear\` or \`warmup_ratio\` the steps already trained had the rates of the
  shorter plan, so the rate jumps where the run continues, and the run reports it. Such a run is never taken for one that
  was planned with 200 steps. Only ${continuedKeys.map((key) => `\`${key}\``).join(", ")}
  of \`train\` may change, and with \`--device\` and \`--parallel-processes\` where the run continues: see [scaling](scaling.md).
- Unknown keys, invalid values and sizes that do not fit are reported with file, line and column before anything runs.
`;

const formatRecipeValue = (value: unknown) => (value === undefined ? "" : formatCode(value));

/** Text that a table of keys cannot express. */
const remarks: Readonly<Record<string, string>> = {
  recipe: `\`\`\`yaml example
recipe: paper
data: {dataset: lamini, tokenizer: phi3/tokenizer.json}
model: {model_type: kphi3, num_hidden_layers: 2, intermediate_size: 9216}
variants: {paper: {}, fixed: {recipe: fixed}, masked: {data: {document_mask: true}}}
train: {}
\`\`\`

A recipe sets options that the cells leave unset; \`config.resolved.yaml\` of a run lists all of them. The two recipes differ
in these options, which can also be set by themselves and are described below:

| option | \`paper\` | \`fixed\` |
|---|---|---|
${listRecipeDifferences()
  .map(
    ({ path, paper, fixed }) => `| \`${path}\` | ${formatRecipeValue(paper)} | ${formatRecipeValue(fixed)} |`,
  )
  .join("\n")}

Both read pairs from the columns \`instruction\` and \`response\` (for Alpaca, set \`input_column: input\` and
\`response_column: output\`), use the format of Phi-3, drop rows that contain one of seven texts, reserve 5,000 rows for
validation and train at a constant rate in blocks of 400,000 rows, with sequences of 4,096 tokens. A small experiment should
set \`sequence_len\`, \`val_set_size\` or \`val_fraction\`, \`block_rows\` and \`max_steps\`.

Differences from the published code, and choices that it leaves open:

- Draws are seeded; the published ones use the clock. \`split_seed\` selects the validation rows, \`data_seed\` (else \`seed\`)
  the rows of a block and the order of its sequences. The same numbers give other rows than in scikit-learn, \`datasets\` or
  PyTorch, so a split equals the published one in size, not row by row.
- A resumed run continues with the next sequence, inside a block and at its border.
- The learning rate schedule covers the whole training; \`restart_optimizer\` affects only the optimizer. At a constant rate
  this equals a new trainer for each block.
- Rows are tokenized one by one, which gives the tokens of a packed text because there is a marker at every border.
- Padding is an ordinary token for the model: it attends to the text before it, and no text attends to it.
- A block has a whole number of steps: its last batch is filled with rows that do not count.
- All numbers are float32; the published runs compute in bfloat16.
`,
  data: `One of \`text\`, \`dataset\`, \`grammar\` and \`passkeys\` is the source. Lathe searches for named data sets in the folder of the
environment variable \`LATHE_DATA\`, then in the cache, and then downloads and verifies them:

| \`dataset\` | description | license |
|---|---|---|
${Object.entries(dataSets)
  .map(([id, { title, purpose, licence }]) => `| \`${id}\` | ${title}. ${purpose} | ${licence} |`)
  .join("\n")}

\`lamini\` are the Parquet files of \`MBZUAI/LaMini-instruction\`, from the folder \`lamini\` in \`LATHE_DATA\`, of Hugging Face's
cache (\`HF_HUB_CACHE\`, \`HF_HOME\`), or downloaded from the hub (\`HF_ENDPOINT\`, \`HF_TOKEN\`, \`HF_HUB_OFFLINE\`) and
checked against its checksums. The columns of its pairs are known.
`,
  base_model: `Lathe searches for named models in the folder of the environment variable \`LATHE_DATA\`, then in the cache, and then
downloads and verifies them with their tokenizers:

| \`base_model\` | description | license |
|---|---|---|
${Object.entries(namedModels)
  .map(([id, { purpose, licence }]) => `| \`${id}\` | ${purpose} | ${licence} |`)
  .join("\n")}
`,
  variants: `\`\`\`yaml example
variants:
  dense: {compress: null}
  sparse: {}
  sparser: {compress: {magnitude: {sparsity: 0.8}}}
  other: {model: {hidden_size: 96}, train: {max_steps: 200}}
\`\`\`

The keys are those of data, model, base_model, device, parallel, seed and of the actions. A variant may define a whole model, of the
same or another family; then the model needs no cell of its own.
`,
  scales: `\`\`\`yaml example
scale: small
\`\`\`

\`\`\`yaml example
scales:
  full: {}
  small: {model: {hidden_size: 96}, train: {max_steps: 300}, variants: {wide: {model: {hidden_size: 144}}}}
\`\`\`

A scale changes the cells as a variant does, and also the variants and the sweep. \`scale\` selects one; \`--set scale=full\`
on the command line overrides it. All scales are checked, whichever is selected.
`,
  paper: `See [Paper cards](paper-cards.md).
`,
  sweep: `\`\`\`yaml example
sweep:
  train.learning_rate: [1e-3, 3e-4]
  seed: [0, 1, 2]
\`\`\`

Two learning rates with three seeds each are six runs of every variant. Without \`search\`, every combination runs.
`,
  search: `\`\`\`yaml example
sweep:
  train.learning_rate: {min: 1e-4, max: 1e-2, scale: log}
  train.warmup_steps: {min: 0, max: 100, integer: true}
  model.n_embd: [64, 128]
search: {method: random, runs: 20, seed: 0}
\`\`\`

Twenty combinations of each variant, drawn from the lists and ranges of the sweep. The draws depend on the seed, the path and
their number only: every machine draws the same, variants get the same values, more runs keep the first ones. Values are
rounded to four digits. \`lathe plan\` lists all runs with their settings.

\`\`\`yaml example
search: {method: halving, runs: 27, metric: eval/loss, factor: 3}
train: {max_steps: 810}
\`\`\`

Successive halving: 27 runs train to step 30 (810 / 27), the best 9 of them continue to step 90, 3 to 270 and 1 to 810, which
takes 2,430 steps instead of 21,870. A run that continues resumes from its checkpoint: its learning rate follows the schedule of the whole
training, and its weights are those of a run that was never held. The others are \`pruned\`, with the loss that their rung
needed; they do not count as finished results, and cards leave them out. Each rung is also an evaluation. Losses that are not finite come last, as do runs that failed; of
equal losses, the run that is listed first continues. \`min_steps\` gives fewer rungs with a longer first one. Each variant has a search of its own.

A search that was stopped or killed continues with the same decisions when the experiment is run again; \`--fresh\` starts
another one. In VS Code and with \`--detach\`, the runs continue the search by themselves, also after the window was closed.
`,
  merge: `\`\`\`yaml example
merge:
  ties: {models: [{model: runs/stories, weight: 1}, {model: runs/recipes, weight: 0.5}], density: 0.3}
\`\`\`

See [Merging](merging.md).
`,
  compress: `\`\`\`yaml example
compress:
  - magnitude: {sparsity: 0.5, ignore: [layers.0.*]}
  - magnitude: {sparsity: 0.3, targets: [layers.0.*]}
\`\`\`
`,
};

/** The sections whose options depend on a catalog entry, and the title of an entry. */
const entryTitles: Readonly<Record<string, (id: string) => string>> = {
  search: (id) => `\`method: ${id}\``,
  model: (id) => `\`model_type: ${id}\``,
  compress: (id) => `\`compress: {${id}: {…}}\``,
  merge: (id) => `\`merge: {${id}: {…}}\``,
  evaluate: (id) => `\`evaluate: {${id}: {…}}\``,
  export: (id) => `\`format: ${id}\``,
  report: (id) => `\`report: {${id}: {…}}\``,
};

export function createReferencePage(): string {
  const cells = createCellSchema().properties ?? {};
  const parts = [introduction, "## Declarations\n"];
  for (const key of declarationKeys) parts.push(...createSection(key, cells[key] ?? {}));
  parts.push("## Actions\n");
  for (const key of actionKeys) parts.push(...createSection(key, cells[key] ?? {}));
  return `${parts.join("\n").trimEnd()}\n`;
}

function createSection(key: string, schema: JsonSchema): string[] {
  const lines = [`### ${key}\n`, `${schema.description ?? ""}\n`];
  const remark = remarks[key] === undefined ? [] : [remarks[key]];
  if (["scales", "variants", "sweep"].includes(key) || schema.type === "string" || schema.type === "integer")
    return [...lines, `Type: ${formatType(schema)}.${formatDefault(schema)}\n`, ...remark];
  const title = entryTitles[key];
  const isNameAllowed = schema.anyOf?.some(({ type }) => type === "string") === true;
  if (title === undefined && isNameAllowed)
    return [
      ...lines,
      "Type: text, or these keys:\n",
      ...remark,
      createTable(schema.anyOf.find(({ type }) => type === "object")!),
    ];
  if (title === undefined) return [...lines, ...remark, createTable(schema)];
  const entries = listEntries(schema);
  if (entries.length === 0) return [...lines, "No options.\n"];
  return [
    ...lines,
    ...remark,
    ...entries.flatMap(([id, entry]) => [`#### ${title(id)}\n`, createTable(entry)]),
  ];
}

/** The entries of a section, by the value of their tag or by their key. */
function listEntries(schema: JsonSchema): [string, JsonSchema][] {
  const taggedEntries = schema.oneOf?.map((entry): [string, JsonSchema] => {
    const properties = Object.entries(entry.properties ?? {});
    const [tag, { const: id }] = properties.find(([, option]) => option.const !== undefined) ?? [
      "",
      { const: "" },
    ];
    return [
      String(id),
      { ...entry, properties: Object.fromEntries(properties.filter(([name]) => name !== tag)) },
    ];
  });
  const map = schema.anyOf?.find((option) => option.type === "object") ?? schema;
  return (
    taggedEntries ?? Object.entries(map.properties ?? {}).filter(([, option]) => option.type === "object")
  );
}

function createTable(schema: JsonSchema): string {
  const rows = createRows(schema, "");
  if (rows.length === 0) return "No options.\n";
  return ["| key | type | default | meaning |", "|---|---|---|---|", ...rows, ""].join("\n");
}

function createRows({ properties = {}, required = [] }: JsonSchema, prefix: string): string[] {
  return Object.entries(properties).flatMap(([key, option]) => {
    // Keys without a description are accepted because real files contain them, but have no effect.
    if (option.description === undefined && option.type !== "object") return [];
    const fallback =
      option.default === undefined ? (required.includes(key) ? "required" : "") : formatCode(option.default);
    const cells = [`\`${prefix}${key}\``, formatType(option), fallback, option.description ?? ""];
    const row = `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
    const innerSchema = option.type === "array" ? option.items : unwrapMap(option);
    const nestedRows =
      innerSchema?.type === "object"
        ? createRows(innerSchema, `${prefix}${key}${option.type === "array" ? "[]" : ""}.`)
        : [];
    return [row, ...nestedRows];
  });
}

/** A map, also if null is allowed instead. */
function unwrapMap(schema: JsonSchema): JsonSchema | undefined {
  return schema.anyOf?.find(({ type }) => type === "object") ?? schema;
}

function formatDefault(schema: JsonSchema): string {
  return schema.default === undefined ? "" : ` Default: ${formatCode(schema.default)}.`;
}
