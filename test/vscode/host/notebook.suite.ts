/** The notebook, tested through VS Code's notebook API. */
import { strict as assert } from "node:assert";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as vscode from "vscode";
import type { CellOutput } from "../../../src/protocol/cellOutput";
import { tinyExperiment } from "../support/tinyExperiment";
import { eventually, workspaceFolder } from "./workspace";

const type = "lathe-notebook";

async function open(name: string): Promise<vscode.NotebookEditor> {
  const document = await vscode.workspace.openNotebookDocument(vscode.Uri.file(join(workspaceFolder, name)));
  return vscode.window.showNotebookDocument(document);
}

function put(name: string, content: string | Uint8Array): string {
  writeFileSync(join(workspaceFolder, name), content);
  return name;
}

/** The rich item of a cell's output, or undefined if there is none. */
function outputOf(cell: vscode.NotebookCell): CellOutput | undefined {
  const item = cell.outputs
    .flatMap(({ items }) => items)
    .find(({ mime }) => mime === "application/vnd.lathe.cell+json");
  return item === undefined ? undefined : (JSON.parse(new TextDecoder().decode(item.data)) as CellOutput);
}

describe("a notebook", () => {
  afterEach(async () => {
    await vscode.commands.executeCommand("workbench.action.revertAndCloseActiveEditor");
    await vscode.commands.executeCommand("workbench.action.closeAllEditors");
  });

  for (const name of readdirSync(join(workspaceFolder, "examples")).filter((each) =>
    each.endsWith(".lathe.md"),
  ))
    it(`saves examples/${name} byte for byte if it is not changed`, async () => {
      const path = join(workspaceFolder, "examples", name);
      const before = readFileSync(path);
      const { notebook } = await open(join("examples", name));
      assert.equal(notebook.notebookType, type);
      assert.ok(notebook.getCells().some(({ kind }) => kind === vscode.NotebookCellKind.Code));
      // VS Code only saves changed notebooks: a reverted change makes the notebook dirty with the same content.
      const edit = new vscode.WorkspaceEdit();
      const cell = notebook.cellAt(0).document;
      edit.insert(cell.uri, new vscode.Position(0, 0), "x");
      await vscode.workspace.applyEdit(edit);
      const back = new vscode.WorkspaceEdit();
      back.delete(cell.uri, new vscode.Range(0, 0, 0, 1));
      await vscode.workspace.applyEdit(back);
      await notebook.save();
      assert.deepEqual(readFileSync(path), before);
    });

  it("changes only the edited cell", async () => {
    const text =
      "\uFEFF# Title\r\n\r\n~~~ yml\r\nseed: 1\r\n~~~\r\n\r\n\r\nText\r\n````yaml\r\ndevice: cpu\r\n````";
    put("odd.lathe.md", text);
    const { notebook } = await open("odd.lathe.md");
    const cell = notebook.getCells().find(({ document }) => document.getText().startsWith("seed"));
    const edit = new vscode.WorkspaceEdit();
    edit.replace(cell!.document.uri, new vscode.Range(0, 6, 0, 7), "2");
    await vscode.workspace.applyEdit(edit);
    await notebook.save();
    assert.equal(
      readFileSync(join(workspaceFolder, "odd.lathe.md"), "utf8"),
      text.replace("seed: 1", "seed: 2"),
    );
  });

  it("opens a broken file as an error and leaves it unchanged", async () => {
    const text = "# Broken\n\n```yaml\nseed: 1\n";
    put("broken.lathe.md", text);
    await assert.rejects(async () => open("broken.lathe.md"));
    put("binary.lathe.md", Buffer.from([0xff, 0xfe, 0x00, 0xd8, 0x80]));
    await assert.rejects(async () => open("binary.lathe.md"));
    assert.equal(readFileSync(join(workspaceFolder, "broken.lathe.md"), "utf8"), text);
  });

  it("underlines an unknown key as it is typed, offers the right one, and completes keys", async () => {
    put("typed.lathe.md", tinyExperiment("typed").replace("max_steps", "max_stepz"));
    const { notebook } = await open("typed.lathe.md");
    const cell = notebook.getCells().find(({ document }) => document.getText().includes("max_stepz"))!;
    const found = await eventually("a diagnostic", () => {
      const [first] = vscode.languages.getDiagnostics(cell.document.uri);
      return first;
    });
    assert.equal(cell.document.getText(found.range), "max_stepz");
    assert.equal(found.severity, vscode.DiagnosticSeverity.Error);
    const fixes = await vscode.commands.executeCommand<vscode.CodeAction[]>(
      "vscode.executeCodeActionProvider",
      cell.document.uri,
      found.range,
    );
    assert.ok(fixes.some(({ title }) => title.includes("max_steps")));
    const line = cell.document.lineAt(cell.document.lineCount - 1);
    const edit = new vscode.WorkspaceEdit();
    edit.insert(cell.document.uri, line.range.end, "\n  warm");
    await vscode.workspace.applyEdit(edit);
    const { items } = await vscode.commands.executeCommand<vscode.CompletionList>(
      "vscode.executeCompletionItemProvider",
      cell.document.uri,
      cell.document.lineAt(cell.document.lineCount - 1).range.end,
    );
    const labels = items.map(({ label }) => (typeof label === "string" ? label : label.label));
    assert.ok(labels.includes("warmup_steps"), labels.join(" "));
    const hovers = await vscode.commands.executeCommand<vscode.Hover[]>(
      "vscode.executeHoverProvider",
      cell.document.uri,
      new vscode.Position(0, 1),
    );
    assert.ok(hovers.length > 0);
  });

  it("shows the cost of the model above it, before anything runs", async () => {
    put("lens.lathe.md", tinyExperiment("lens"));
    const { notebook } = await open("lens.lathe.md");
    const cell = notebook.getCells().find(({ document }) => document.getText().includes("model_type"))!;
    const lens = await eventually("a lens", async () => {
      const lenses = await vscode.commands.executeCommand<vscode.CodeLens[]>(
        "vscode.executeCodeLensProvider",
        cell.document.uri,
        10,
      );
      return lenses.find(({ command }) => /\d/.test(command?.title ?? ""));
    });
    assert.match(lens.command!.title, /[\d,]+ .*(kB|MB|B)/);
  });

  it("runs the experiment up to a cell, shows the losses under it, and shows them again after reopening", async () => {
    put("run.lathe.md", tinyExperiment("run"));
    const editor = await open("run.lathe.md");
    const index = editor.notebook
      .getCells()
      .findIndex(({ document }) => document.getText().startsWith("train"));
    await vscode.commands.executeCommand("notebook.cell.execute", {
      ranges: [{ start: index, end: index + 1 }],
      document: editor.notebook.uri,
    });
    const done = await eventually("the end of the run", () => {
      const output = outputOf(editor.notebook.cellAt(index));
      return output?.runs.every(({ summary }) => summary.state === "done") === true ? output : undefined;
    });
    assert.equal(done.runs.length, 1);
    const losses = done.series.find(({ metric }) => metric === "train/loss");
    assert.ok((losses?.y.length ?? 0) > 1);
    const plain = editor.notebook
      .cellAt(index)
      .outputs.flatMap(({ items }) => items)
      .find(({ mime }) => mime === "text/markdown");
    assert.match(new TextDecoder().decode(plain!.data), /train loss/);
    await eventually("the tick", () => editor.notebook.cellAt(index).executionSummary?.success);
    assert.doesNotMatch(readFileSync(join(workspaceFolder, "run.lathe.md"), "utf8"), /vnd\.lathe/);

    await vscode.commands.executeCommand("workbench.action.closeAllEditors");
    const again = await open("run.lathe.md");
    const attached = await eventually("the output of the earlier run", () =>
      outputOf(again.notebook.cellAt(index)),
    );
    assert.equal(attached.runs[0]?.summary.folder, done.runs[0]?.summary.folder);
    assert.equal(attached.runs[0]?.stale, false);
  });

  it("stops an interrupted run after a checkpoint", async () => {
    put("long.lathe.md", tinyExperiment("long", 100_000));
    const editor = await open("long.lathe.md");
    const index = editor.notebook
      .getCells()
      .findIndex(({ document }) => document.getText().startsWith("train"));
    await vscode.commands.executeCommand("notebook.cell.execute", {
      ranges: [{ start: index, end: index + 1 }],
      document: editor.notebook.uri,
    });
    const running = await eventually("a step", () => {
      const run = outputOf(editor.notebook.cellAt(index))?.runs[0];
      return (run?.summary.progress?.step ?? 0) > 0 ? run : undefined;
    });
    await vscode.commands.executeCommand("notebook.cell.cancelExecution", {
      ranges: [{ start: index, end: index + 1 }],
      document: editor.notebook.uri,
    });
    await eventually("the state `stopped`", () => {
      const state = outputOf(editor.notebook.cellAt(index))?.runs[0]?.summary.state;
      return state === "stopped" ? true : undefined;
    });
    assert.ok(readdirSync(join(running.summary.folder, "checkpoints")).length > 0);
  });

  it("shows the wrong line at the cell that is wrong, whichever is run", async () => {
    put("wrong.lathe.md", tinyExperiment("wrong").replace("hidden_size: 16", "hidden_size: 17"));
    const editor = await open("wrong.lathe.md");
    const index = editor.notebook
      .getCells()
      .findIndex(({ document }) => document.getText().startsWith("train"));
    await vscode.commands.executeCommand("notebook.cell.execute", {
      ranges: [{ start: index, end: index + 1 }],
      document: editor.notebook.uri,
    });
    const model = editor.notebook.getCells().find(({ document }) => document.getText().startsWith("model"))!;
    const error = await eventually("an error", () =>
      model.outputs
        .flatMap(({ items }) => items)
        .find(({ mime }) => mime === "application/vnd.code.notebook.error"),
    );
    assert.match(new TextDecoder().decode(error.data), /wrong\.lathe\.md:\d+/);
    assert.ok(!readdirSync(runsFolder()).some((name) => name.startsWith("wrong-")));
  });
});

function runsFolder(): string {
  const folder = join(workspaceFolder, ".lathe/runs");
  mkdirSync(folder, { recursive: true });
  return folder;
}
