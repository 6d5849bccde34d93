/** Experiments to start from: the examples that come with the extension, and one that is nearly empty. */
import path from "node:path";
import * as vscode from "vscode";
import { WorkbenchError } from "../protocol/errors";

export interface Template {
  /** The file's path below examples/, without its ending. */
  readonly id: string;
  readonly title: string;
  readonly summary: string;
  readonly isExample: boolean;
  readonly text: string;
}

const defaultTemplate: Template = {
  id: "experiment",
  title: "A small model on your own text",
  summary: "One model, a few hundred steps, perplexity and counts.",
  isExample: false,
  text: `# Experiment

\`\`\`yaml
data:
  text: ["**/*.md"]
  tokenizer: bytes
  sequence_len: 128
  val_fraction: 0.1
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
  eval_steps: 50
  logging_steps: 5
\`\`\`

\`\`\`yaml
evaluate:
  counts: {}
  perplexity: {stride: 128}
\`\`\`
`,
};

export async function listTemplates(extension: vscode.Uri): Promise<readonly Template[]> {
  const root = vscode.Uri.joinPath(extension, "examples");
  const examples = (await findExperiments(root, "")).map(({ id, text }): Template => {
    const prose = text.split(/\r?\n\r?\n/);
    const title = /^#\s+(.*)$/m.exec(text)?.[1] ?? id;
    const first = prose.find((block) => /^[^#`\s]/.test(block)) ?? "";
    const summary = first.replace(/\s+/g, " ").replaceAll("`", "");
    return { id, title, summary: summary.slice(0, 200), isExample: true, text };
  });
  // The quickest comes first.
  examples.sort((a, b) => Number(b.id === "quick") - Number(a.id === "quick") || a.id.localeCompare(b.id));
  return [...examples, defaultTemplate];
}

async function findExperiments(
  root: vscode.Uri,
  folder: string,
): Promise<{ readonly id: string; readonly text: string }[]> {
  const experiments: { readonly id: string; readonly text: string }[] = [];
  for (const [name, type] of await vscode.workspace.fs.readDirectory(vscode.Uri.joinPath(root, folder))) {
    const file = path.posix.join(folder, name);
    if (type === vscode.FileType.Directory) experiments.push(...(await findExperiments(root, file)));
    else if (name.endsWith(".lathe.md")) {
      const bytes = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(root, file));
      experiments.push({ id: file.slice(0, -".lathe.md".length), text: new TextDecoder().decode(bytes) });
    }
  }
  return experiments;
}

/** Asks where the experiment is to be, writes it there and opens it as a notebook. */
export async function openCopy({ id, text }: Template): Promise<void> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  if (folder === undefined)
    throw new WorkbenchError(
      "not-found",
      'An experiment and its runs need a folder. Run "File: Open Folder" first.',
    );
  const target = await vscode.window.showSaveDialog({
    title: "Select the folder for the experiment",
    saveLabel: "Create Experiment",
    defaultUri: await findFreeName(folder, path.posix.basename(id)),
  });
  if (target === undefined) return;
  const file = target.path.endsWith(".lathe.md")
    ? target
    : target.with({ path: `${target.path.replace(/(\.lathe)?(\.md)?$/, "")}.lathe.md` });
  await vscode.workspace.fs.writeFile(file, new TextEncoder().encode(text));
  await vscode.window.showNotebookDocument(await vscode.workspace.openNotebookDocument(file));
}

/** `quick.lathe.md`, or `quick-2.lathe.md` where that is taken. */
async function findFreeName(folder: vscode.Uri, name: string): Promise<vscode.Uri> {
  const existingNames = new Set((await vscode.workspace.fs.readDirectory(folder)).map(([each]) => each));
  for (let number = 1; ; number++) {
    const file = `${name}${number === 1 ? "" : `-${number}`}.lathe.md`;
    if (!existingNames.has(file)) return vscode.Uri.joinPath(folder, file);
  }
}
