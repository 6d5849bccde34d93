/** Every way in which a row of a tree opens or starts something, with its file closed and with it open. */
import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as vscode from "vscode";
import { tinyExperiment } from "../support/tinyExperiment";
import { eventually, workspaceFolder } from "./workspace";

const file = join(workspaceFolder, "000-tree.lathe.md");
const uri = vscode.Uri.file(file);
/** What VS Code hands to a command that a menu or a button of a row starts. */
const experimentRow = { kind: "experiment", experiment: file, folder: "" };
const cellRow = { kind: "cell", experiment: file, cell: 2 };
const variantRow = { kind: "variant", experiment: file, variant: "b", line: 17 };

async function closeAll(): Promise<void> {
  await vscode.commands.executeCommand("workbench.action.closeAllEditors");
}

/** The notebook of the experiment in the active editor. */
function shown(): vscode.NotebookEditor | undefined {
  const editor = vscode.window.activeNotebookEditor;
  return editor?.notebook.uri.toString() === uri.toString() ? editor : undefined;
}

async function open(): Promise<void> {
  await vscode.window.showNotebookDocument(await vscode.workspace.openNotebookDocument(uri));
}

function listStates(): readonly string[] {
  const runs = join(workspaceFolder, ".lathe/runs");
  const names = existsSync(runs) ? readdirSync(runs).filter((name) => name.startsWith("000-tree")) : [];
  return names
    .map((name) => join(runs, name, "run.json"))
    .filter((record) => existsSync(record)) // A run that is being created has none yet.
    .map((record) => (JSON.parse(readFileSync(record, "utf8")) as { state: string }).state);
}

function countRuns(): number {
  return listStates().length;
}

function findPanel(name: string): vscode.Tab | undefined {
  return vscode.window.tabGroups.all
    .flatMap(({ tabs }) => tabs)
    .find(({ input }) => input instanceof vscode.TabInputWebview && input.viewType.includes(name));
}

describe("the rows of the trees", () => {
  before(async () => {
    writeFileSync(
      file,
      `${tinyExperiment("tree", 5)}\n\`\`\`yaml\nvariants: {a: {}, b: {train: {learning_rate: 2e-3}}}\n\`\`\`\n`,
    );
    writeFileSync(join(workspaceFolder, "001-other.lathe.md"), tinyExperiment("other"));
    // The tree is ready when its second row opens; the first has never been open then.
    await eventually("the rows", async () => {
      await pressEnter(1);
      return vscode.window.activeNotebookEditor?.notebook.uri.path.endsWith("001-other.lathe.md");
    });
  });
  after(closeAll);

  /** Selects the n-th row, as the arrow keys and Enter do, or a click. */
  async function pressEnter(row: number): Promise<void> {
    await vscode.commands.executeCommand("lathe.experiments.focus");
    await vscode.commands.executeCommand("list.focusFirst");
    for (let i = 0; i < row; i++) await vscode.commands.executeCommand("list.focusDown");
    await vscode.commands.executeCommand("list.select");
  }

  for (const state of ["closed", "open"] as const)
    describe(`whose experiment is ${state}`, () => {
      beforeEach(async () => {
        await closeAll();
        if (state === "open") await open();
      });

      it("open the file where they are clicked", async () => {
        // Once: a second click would open what the first one failed to show.
        await pressEnter(0);
        await eventually("the notebook", shown, 20_000);
        // The editor may fail after the notebook has appeared; the command that the click runs reports it.
        if (state === "closed") await closeAll();
        await vscode.commands.executeCommand("lathe.openSelectedCell");
        assert.ok(shown(), "the notebook stays");
      });

      // Two variants, then data and model.
      for (const [row, key] of [
        [1, "variants"],
        [3, "data"],
        [4, "model"],
      ] as const)
        it(`open the file at the cell ${key} that is clicked`, async () => {
          await eventually(`the cell ${key}`, async () => {
            await vscode.commands.executeCommand("lathe.experiments.focus");
            await vscode.commands.executeCommand("list.focusFirst");
            await vscode.commands.executeCommand("list.expand");
            await pressEnter(row);
            const editor = shown();
            const [selected] = editor?.selections ?? [];
            if (editor === undefined || selected === undefined) return undefined;
            return editor.notebook.cellAt(selected.start).document.getText().startsWith(key);
          });
        });

      it("run the file, a variant and a cell from their buttons", async () => {
        let runs = countRuns();
        for (const [command, row, added] of [
          ["lathe.runExperiment", experimentRow, 2],
          ["lathe.runExperiment", variantRow, 1],
          ["lathe.runCellAndAbove", cellRow, 2],
        ] as const) {
          const before = runs;
          await eventually(`${added} runs of ${command}`, async () => {
            await vscode.commands.executeCommand(command, row, [row]);
            // VS Code starts no cell that is still running: it is asked again a little later.
            for (let time = 0; time < 50 && countRuns() < before + added; time++)
              await new Promise((resolve) => setTimeout(resolve, 100));
            return countRuns() === before + added || undefined;
          });
          await eventually("their end", () => listStates().every((each) => each === "done") || undefined);
          runs += added;
        }
      });

      it("open panels from their menus", async () => {
        for (const [command, panel] of [
          ["lathe.openCharts", "charts"],
          ["lathe.openParameters", "parameters"],
          ["lathe.openShrink", "shrink"],
          ["lathe.openReport", "report"],
        ] as const) {
          await vscode.commands.executeCommand(command, experimentRow, [experimentRow]);
          await eventually(`the panel ${panel}`, () => findPanel(panel));
          await closeAll();
        }
        await vscode.commands.executeCommand("lathe.openParameters", variantRow, [variantRow]);
        await eventually("the parameters of a variant", () => findPanel("parameters"));
      });
    });
});

describe("a terminal at a run", () => {
  it("is in the run's folder and has the command line, which knows the run", async () => {
    const runs = join(workspaceFolder, ".lathe/runs");
    const id = readdirSync(runs).find((name) => name.startsWith("000-tree"))!;
    await vscode.commands.executeCommand("lathe.openTerminalAtRun", [join(runs, id)]);
    const terminal = await eventually("the terminal", () =>
      vscode.window.terminals.find(({ name }) => name.startsWith("lathe: 000-tree")),
    );
    const { cwd, env } = terminal.creationOptions as vscode.TerminalOptions;
    assert.equal(cwd, join(runs, id));
    const shown = execFileSync("lathe", ["show", id], {
      cwd: join(runs, id),
      env: { ...process.env, ...env } as NodeJS.ProcessEnv,
      encoding: "utf8",
    });
    assert.match(shown, /train/);
    terminal.dispose();
  });
});

describe("a fault before a run starts", () => {
  after(closeAll);

  it("is shown by Run All under the cell that is at fault, in view, and is gone after the next start", async () => {
    const path = join(workspaceFolder, "faulty.lathe.md");
    const text = tinyExperiment("faulty", 3);
    writeFileSync(path, text.replace("grammar: {length: 20000}", 'text: ["*.none"]'));
    const notebookUri = vscode.Uri.file(path);
    const notebook = await vscode.workspace.openNotebookDocument(notebookUri);
    const editor = await vscode.window.showNotebookDocument(notebook);
    await vscode.commands.executeCommand("notebook.execute", notebookUri);
    const cells = notebook.getCells().filter(({ kind }) => kind === vscode.NotebookCellKind.Code);
    const faults = () =>
      cells.map(({ outputs }) =>
        outputs.some(({ items }) =>
          items.some(({ mime }) => mime === vscode.NotebookCellOutputItem.error(new Error("")).mime),
        ),
      );
    await eventually("the fault", () => (faults().includes(true) ? true : undefined));
    assert.deepEqual(faults(), [true, false, false]);
    await eventually("the cell in view", () =>
      editor.visibleRanges.some(({ start, end }) => start <= cells[0]!.index && cells[0]!.index < end)
        ? true
        : undefined,
    );
    const edit = new vscode.WorkspaceEdit();
    const document = cells[0]!.document;
    const at = document.getText().indexOf('text: ["*.none"]');
    edit.replace(
      document.uri,
      new vscode.Range(document.positionAt(at), document.positionAt(at + 'text: ["*.none"]'.length)),
      "grammar: {length: 20000}",
    );
    await vscode.workspace.applyEdit(edit);
    await vscode.commands.executeCommand("notebook.cell.execute", {
      ranges: [{ start: cells[2]!.index, end: cells[2]!.index + 1 }],
      document: notebookUri,
    });
    await eventually("the end of the run", () => cells[2]!.executionSummary?.success);
    assert.deepEqual(faults(), [false, false, false]);
  });
});

describe("running a run again", () => {
  it("starts a new run from the list of its settings", async () => {
    const runs = join(workspaceFolder, ".lathe/runs");
    const id = readdirSync(runs).find((name) => name.startsWith("000-tree"))!;
    const before = countRuns();
    const ended = vscode.commands.executeCommand("lathe.runAgain", [join(runs, id)]);
    // The list has Run first; it is accepted as soon as it is there.
    await eventually("a new run", async () => {
      await vscode.commands.executeCommand("workbench.action.acceptSelectedQuickOpenItem");
      return countRuns() === before + 1 || undefined;
    });
    await ended;
    await eventually("its end", () => listStates().every((each) => each === "done") || undefined);
  });
});
