/** The experiment on a person's own text: it names the text and reports whether there is enough for the model. */
import { formatBytes, formatCount, formatNumber } from "../protocol/quantities";
import { enoughTokensPerParameter, type TextSurvey } from "../protocol/service/texts";
import { plural, t } from "./l10n";

/** Trainable parameters of the model below; a test counts them. */
export const ownTextParameters = 492_416;
const valFraction = 0.1;

/** Undefined if the folder could not be searched. */
export function createOwnTextExperiment(survey: TextSurvey | undefined): string {
  return `# ${t("A small model on your own text")}

${describeText(survey)}

\`\`\`yaml
data:
  text: ["${survey?.pattern ?? "**/*.txt"}"]
  tokenizer: bytes
  sequence_len: 128
  val_fraction: ${valFraction}
\`\`\`

\`\`\`yaml
model:
  model_type: llama
  hidden_size: 128
  intermediate_size: 384
  num_hidden_layers: 2
  num_attention_heads: 4
  max_position_embeddings: 128
\`\`\`

\`\`\`yaml
train:
  max_steps: 300
  per_device_train_batch_size: 8
  learning_rate: 3e-3
  lr_scheduler_type: cosine
  warmup_steps: 20
  eval_steps: 25
  logging_steps: 5
\`\`\`

\`\`\`yaml
evaluate:
  counts: {}
  perplexity: {stride: 128}
\`\`\`
`;
}

/** For the list of templates: one line. */
export function summarizeOwnText(survey: TextSurvey | undefined): string {
  if (survey === undefined) return t("One model, a few hundred steps, perplexity and counts.");
  if (survey.files === 0) return t("There is no text in this folder yet. Add .txt or .md files first.");
  const size = `${plural(survey.files, "1 file", "{0} files")} (${listNames(survey)}), ${formatBytes(survey.bytes)}`;
  return isEnough(survey)
    ? `${size}.`
    : t("{0}: too little text for this model, which can memorize it.", size);
}

function describeText(survey: TextSurvey | undefined): string {
  if (survey === undefined || survey.files === 0)
    return t(
      "`data.text` names the files to read, relative to this file. There was no text in this folder when the experiment was created: add `.txt` files, or name other files.",
    );
  const { pattern, files, bytes } = survey;
  const size = t(
    "`{0}` matches {1} ({2}) with {3} bytes. Each byte is a token",
    pattern,
    plural(files, "1 file", "{0} files"),
    listNames(survey, "`"),
    formatCount(bytes),
  );
  const ratio = formatNumber(getTokensPerParameter(survey), 2);
  const parameters = t("{0} parameters", formatCount(ownTextParameters));
  return isEnough(survey)
    ? t("{0}, {1} of them for training for each of the model's {2}.", size, ratio, parameters)
    : t(
        "{0}, only {1} of them for training for each of the model's {2}. **That is too little text**: the model can memorize it, and its validation loss then rises. Add text, or make the model smaller.",
        size,
        ratio,
        parameters,
      );
}

function listNames({ names, files }: TextSurvey, quote = ""): string {
  const quoted = names.map((name) => `${quote}${name.replaceAll("`", "'")}${quote}`);
  return [...quoted, ...(files > names.length ? ["…"] : [])].join(", ");
}

function isEnough(survey: TextSurvey): boolean {
  return getTokensPerParameter(survey) >= enoughTokensPerParameter;
}

function getTokensPerParameter({ bytes }: TextSurvey): number {
  return (bytes * (1 - valFraction)) / ownTextParameters;
}
