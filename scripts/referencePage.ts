/** Writes docs/experiment.md from the zod schema of cells. */
import { actionKeys, declarationKeys, experimentSchema } from "../src/schema/experiment";
import { recipeDifferences } from "../src/schema/recipe";
import { dataSets } from "../src/backend/data/datasets/catalog";
import { code, type JsonSchema, jsonSchemaOf, typeOf } from "../src/backend/language/typeText";
import { schemaCatalog } from "../src/backend/schemaCatalog";

const schemaOfCells = () => jsonSchemaOf(experimentSchema(schemaCatalog));

const introduction = `# Experiment reference

<!-- Written by \`npm run generate\`. -->

An experiment is a Markdown file whose name ends in \`.lathe.md\`. Its cells are the fenced blocks that start in the first
column and whose info string is \`yaml\`; everything else is prose, blocks marked \`yaml example\` and cells inside HTML
comments included. A YAML file works too, with one document a cell.

Each top-level key of a cell declares something or is an action. Declarations stand once. Actions run in the order they
stand, on the model that stands above them, and may stand as often as needed.

- A **variant** is all cells with some keys changed: maps are merged key by key, lists and values are replaced, and
  \`null\` takes a key, or a whole action, away. Where an action stands several times, the change reaches all of them.
- A **sweep** lists values by path, such as \`train.learning_rate\`; every combination is one run. \`train.1.max_steps\` means
  the second \`train\` only.
- \`--set train.max_steps=100\` on the command line changes one path for one run and wins over the file.
- A key that is not known, a value that cannot be and a size that does not fit are reported with file, line and column
  before anything runs.
`;

const recipeValue = (value: unknown) => (value === undefined ? "" : code(value));

/** What a table of keys cannot show. */
const remarks: Readonly<Record<string, string>> = {
  recipe: `\`\`\`yaml example
recipe: paper
data: {dataset: lamini, tokenizer: phi3/tokenizer.json}
model: {model_type: kphi3, num_hidden_layers: 2, intermediate_size: 9216}
variants: {paper: {}, fixed: {recipe: fixed}, masked: {data: {document_mask: true}}}
train: {}
\`\`\`

A recipe is nothing but options that the cells leave open; \`config.resolved.yaml\` of a run names them all. The two differ
in these, each of which may be set by itself and says below what it is for:

| option | \`paper\` | \`fixed\` |
|---|---|---|
${recipeDifferences()
  .map(({ path, paper, fixed }) => `| \`${path}\` | ${recipeValue(paper)} | ${recipeValue(fixed)} |`)
  .join("\n")}

Both read pairs from the columns \`instruction\` and \`response\` (for Alpaca write \`input_column: input\` and
\`response_column: output\`), write them in the format of Phi-3, drop rows that contain one of seven texts, hold 5,000 rows
back and train at a constant rate in blocks of 400,000 rows, with sequences of 4,096 tokens. A small experiment sets
\`sequence_len\`, \`val_set_size\` or \`val_fraction\`, \`block_rows\` and \`max_steps\` for itself.

Where this differs from the published code, or had to choose:

- Draws are seeded, where the published ones follow the clock: \`split_seed\` decides which rows are held back,
  \`data_seed\` (else \`seed\`) which rows a block has and the order of its sequences. The same numbers give other rows than
  scikit-learn, \`datasets\` or PyTorch draw with them, so a split equals the published one in size, not row by row.
- A resumed run goes on with the very next sequence, in a block and at its border.
- The learning rate runs over the whole training; \`restart_optimizer\` concerns the optimizer alone. At a constant rate
  there is no difference to a new trainer for each block.
- Rows are tokenised one by one, which gives the tokens of a packed text because a marker stands at every border.
- Padding is a token like any other to the model: it sees the text before it, and no text sees it.
- A block has a whole number of steps: its last batch is filled up with rows that nothing counts.
- All numbers are float32, where the published runs compute in bfloat16.
`,
  data: `One of \`text\`, \`dataset\` and \`grammar\` is the source. Named data sets are looked for in the folder that the
environment variable \`LATHE_DATA\` names, then in the cache, then downloaded and checked:

| \`dataset\` | what it is | licence |
|---|---|---|
${Object.entries(dataSets)
  .map(([id, { title, purpose, licence }]) => `| \`${id}\` | ${title}. ${purpose} | ${licence} |`)
  .join("\n")}

\`lamini\` are the Parquet files of \`MBZUAI/LaMini-instruction\`: of the folder \`lamini\` in \`LATHE_DATA\`, of Hugging Face's
own cache (\`HF_HUB_CACHE\`, \`HF_HOME\`), or downloaded from the hub (\`HF_ENDPOINT\`, \`HF_TOKEN\`, \`HF_HUB_OFFLINE\`) and
held against the checksums that it names. The columns of its pairs are known.
`,
  variants: `\`\`\`yaml example
variants:
  dense: {compress: null}
  sparse: {}
  sparser: {compress: {magnitude: {sparsity: 0.8}}}
  other: {model: {hidden_size: 96}, train: {max_steps: 200}}
\`\`\`

The keys are those of data, model, base_model, device, seed and of the actions. A model of another family, or one that is
given only in variants, needs no cell of its own: each variant may bring a whole model.
`,
  scales: `\`\`\`yaml example
scale: small
\`\`\`

\`\`\`yaml example
scales:
  full: {}
  small: {model: {hidden_size: 96}, train: {max_steps: 300}, variants: {wide: {model: {hidden_size: 144}}}}
\`\`\`

A scale changes the cells as a variant does, and also the variants and the sweep. \`scale\` chooses one, and \`--set scale=full\`
on the command line another. All of them are checked, whichever is chosen.
`,
  paper: `See [Paper cards](paper-cards.md).
`,
  sweep: `\`\`\`yaml example
sweep:
  train.learning_rate: [1e-3, 3e-4]
  seed: [0, 1, 2]
\`\`\`

Two learning rates with three seeds each are six runs of every variant.
`,
  compress: `\`\`\`yaml example
compress:
  - magnitude: {sparsity: 0.5, ignore: [layers.0.*]}
  - magnitude: {sparsity: 0.3, targets: [layers.0.*]}
\`\`\`
`,
};

/** The sections of keys whose options depend on an entry of a catalog, and what the entry is called there. */
const entryTitles: Readonly<Record<string, (id: string) => string>> = {
  model: (id) => `\`model_type: ${id}\``,
  compress: (id) => `\`compress: {${id}: {…}}\``,
  evaluate: (id) => `\`evaluate: {${id}: {…}}\``,
  export: (id) => `\`format: ${id}\``,
  report: (id) => `\`report: {${id}: {…}}\``,
};

export function referencePage(): string {
  const cells = schemaOfCells().properties ?? {};
  const parts = [introduction, "## Declarations\n"];
  for (const key of declarationKeys) parts.push(...section(key, cells[key] ?? {}));
  parts.push("## Actions\n");
  for (const key of actionKeys) parts.push(...section(key, cells[key] ?? {}));
  return `${parts.join("\n").trimEnd()}\n`;
}

function section(key: string, schema: JsonSchema): string[] {
  const lines = [`### ${key}\n`, `${schema.description ?? ""}\n`];
  const remark = remarks[key] === undefined ? [] : [remarks[key]];
  if (["scales", "variants", "sweep"].includes(key) || schema.type === "string" || schema.type === "integer")
    return [...lines, `Type: ${typeOf(schema)}.${defaultOf(schema)}\n`, ...remark];
  const title = entryTitles[key];
  const named = schema.anyOf?.some(({ type }) => type === "string") === true;
  if (title === undefined && named)
    return [
      ...lines,
      "Type: text, or these keys:\n",
      ...remark,
      table(schema.anyOf.find(({ type }) => type === "object")!),
    ];
  if (title === undefined) return [...lines, ...remark, table(schema)];
  const entries = entriesOf(schema);
  if (entries.length === 0) return [...lines, "No options.\n"];
  return [...lines, ...remark, ...entries.flatMap(([id, entry]) => [`#### ${title(id)}\n`, table(entry)])];
}

/** The entries that a section chooses from: by a tag in them, or by the key they stand under. */
function entriesOf(schema: JsonSchema): [string, JsonSchema][] {
  const tagged = schema.oneOf?.map((entry): [string, JsonSchema] => {
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
  return tagged ?? Object.entries(map.properties ?? {}).filter(([, option]) => option.type === "object");
}

function table(schema: JsonSchema): string {
  const rows = rowsOf(schema, "");
  if (rows.length === 0) return "No options.\n";
  return ["| key | type | default | meaning |", "|---|---|---|---|", ...rows, ""].join("\n");
}

function rowsOf({ properties = {}, required = [] }: JsonSchema, prefix: string): string[] {
  return Object.entries(properties).flatMap(([key, option]) => {
    // Keys without a description are accepted because real files carry them, and mean nothing here.
    if (option.description === undefined && option.type !== "object") return [];
    const fallback =
      option.default === undefined ? (required.includes(key) ? "required" : "") : code(option.default);
    const cells = [`\`${prefix}${key}\``, typeOf(option), fallback, option.description ?? ""];
    const row = `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
    const inside = option.type === "array" ? option.items : inner(option);
    const nested =
      inside?.type === "object"
        ? rowsOf(inside, `${prefix}${key}${option.type === "array" ? "[]" : ""}.`)
        : [];
    return [row, ...nested];
  });
}

/** A map, also where null may stand instead. */
function inner(schema: JsonSchema): JsonSchema | undefined {
  return schema.anyOf?.find(({ type }) => type === "object") ?? schema;
}

function defaultOf(schema: JsonSchema): string {
  return schema.default === undefined ? "" : ` Default: ${code(schema.default)}.`;
}
