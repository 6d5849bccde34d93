/** The folder that the suites work in, and how they wait. */
import * as vscode from "vscode";

export const workspaceFolder = vscode.workspace.workspaceFolders![0]!.uri.fsPath;

/** Asks again and again; the error names what did not come. */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | Promise<T | undefined>,
  milliseconds = 60_000,
): Promise<NonNullable<T>> {
  const end = Date.now() + milliseconds;
  for (;;) {
    const found = await probe();
    if (found !== undefined && found !== null && found !== false) return found;
    if (Date.now() > end) throw new Error(`No sign of ${what} within ${milliseconds / 1000} s.`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
