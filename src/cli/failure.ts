/** Reports the failure of a command: lines for people, a document for programs, an exit status for scripts. */
import { InvalidInput, getExitStatus, type WorkbenchError } from "../protocol/errors";
import type { ExitStatus } from "./command";
import { formatJson, toPlainText, toPlainLine, type Terminal } from "./terminal";

function createErrorDocument({ code, message, details }: WorkbenchError): Record<string, unknown> {
  return { code, message, details };
}

export function reportFailure(error: WorkbenchError, terminal: Terminal): ExitStatus {
  const { red } = terminal.noticeColors;
  if (error instanceof InvalidInput) {
    // Each fault begins with file:line:column, which editors make a link of.
    for (const fault of error.faults) terminal.log(toPlainLine(fault.message));
  } else terminal.log(`${red("error:")} ${toPlainText(error.message)}`);
  const cause = error.cause instanceof Error ? error.cause : error;
  if (error.code === "internal" && cause.stack !== undefined) terminal.log(toPlainText(cause.stack));
  if (terminal.json) {
    const faults = error instanceof InvalidInput ? { faults: error.faults.map(createErrorDocument) } : {};
    terminal.result(formatJson({ error: { ...createErrorDocument(error), ...faults } }));
  }
  return getExitStatus(error);
}
