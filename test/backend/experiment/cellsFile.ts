/** Experiments as text, and their errors. */
import { parseExperiment } from "../../../src/backend/experiment/parse";
import { InvalidInput } from "../../../src/protocol/errors";
import { catalog } from "./sampleCatalog";

/** A Markdown file with one cell per argument, whose text starts in the third line of its block. */
export function cellsFile(...cells: string[]): string {
  return `# Title\n\n${cells.map((cell) => `\`\`\`yaml\n${cell}\n\`\`\`\n`).join("\nProse.\n\n")}`;
}

/** The error of an experiment's text. */
export function faultsOf(text: string, name = "x.lathe.md"): InvalidInput {
  try {
    parseExperiment(text, name, catalog);
  } catch (thrown) {
    if (thrown instanceof InvalidInput) return thrown;
    throw thrown;
  }
  throw new Error("The experiment was accepted.");
}

export const messagesOf = (text: string, name?: string) =>
  faultsOf(text, name).faults.map(({ message }) => message);
