/** The folder that the suites work in, and the smallest experiment that trains. */
import * as vscode from "vscode";

export const workspaceFolder = vscode.workspace.workspaceFolders![0]!.uri.fsPath;

export function tinyExperiment(title: string): string {
  return `# ${title}

\`\`\`yaml
data:
  grammar: {length: 20000}
  tokenizer: bytes
  sequence_len: 32
\`\`\`

\`\`\`yaml
model:
  model_type: phi3
  hidden_size: 16
  intermediate_size: 32
  num_hidden_layers: 1
  num_attention_heads: 2
\`\`\`

\`\`\`yaml
train:
  max_steps: 30
  per_device_train_batch_size: 2
  learning_rate: 1e-3
  eval_steps: 10
\`\`\`
`;
}

/** Asks again and again; the error names what did not come. */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | Promise<T | undefined>,
  milliseconds = 30_000,
): Promise<NonNullable<T>> {
  const end = Date.now() + milliseconds;
  for (;;) {
    const found = await probe();
    if (found !== undefined && found !== null && found !== false) return found;
    if (Date.now() > end) throw new Error(`No sign of ${what} within ${milliseconds / 1000} s.`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
