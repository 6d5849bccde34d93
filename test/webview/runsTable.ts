/** The table of runs as tests describe it, and a workspace for its runs. */
import { mkdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import type { Locator } from "playwright-core";
import { createTemporaryFolder } from "../support/temporary";
import type { TestPage } from "./pageHarness";

export function createRunsWorkspace(): string {
  const folder = realpathSync(createTemporaryFolder());
  mkdirSync(join(folder, ".lathe", "runs"), { recursive: true });
  return folder;
}

export class RunsTable {
  constructor(readonly page: TestPage) {}

  get grid(): Locator {
    return this.page.page.locator(".grid");
  }
  rows(): Locator {
    return this.page.page.locator(".grid .body > [role=row]");
  }
  cell(row: number, column: number): Locator {
    return this.page.page.locator(`[data-row="${row}"][data-column="${column}"]`);
  }
  header(title: string): Locator {
    return this.page.page.getByRole("columnheader", { name: title, exact: true });
  }
  status(): Locator {
    return this.page.page.locator(".actions .status");
  }
  async filter(text: string): Promise<void> {
    await this.page.page.locator("vscode-textfield.filter input").fill(text);
  }
  async column(title: string): Promise<number> {
    return Number(await this.header(title).getAttribute("data-column"));
  }
  /** The values of a column, from the top; only of drawn rows. */
  async texts(title: string): Promise<string[]> {
    const cells = this.page.page.locator(`.body [data-column="${await this.column(title)}"]`);
    return (await cells.allInnerTexts()).map((text) => text.trim());
  }
}
