/**
 * `.lathe/views.json` of a workspace: saved views, sorted by panel and name so that a change is a short diff. What an invalid
 * file contains is never overwritten.
 */
import { compareText } from "../../../protocol/compareText";
import { join } from "node:path";
import * as z from "zod";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import {
  chartsViewSchema,
  runsViewSchema,
  type SavedView,
  savedViewSchema,
  type ViewPanel,
  viewNameSchema,
  viewsFileSchema,
} from "../../../schema/savedViews";
import { writeAtomic } from "../../runs/folder/atomicFile";
import { getFileStamp, readBounded } from "../../runs/folder/boundedFile";
import { resolveInside } from "../../runs/folder/insideFolder";
import { makeLatheFolder, viewsFile } from "../../runs/folder/latheFolder";

const maxBytes = 2 ** 20;

type ViewsFile = z.infer<typeof viewsFileSchema>;

/** A missing file has no views. */
export function readViews(workspace: string): readonly SavedView[] {
  return read(workspace).views;
}

export function saveView(workspace: string, view: SavedView, replace: boolean): void {
  const saved = parse(savedViewSchema, view);
  const file = read(workspace);
  const others = file.views.filter((each) => !isNamed(each, saved.panel, saved.name));
  const previous = file.views.find((each) => isNamed(each, saved.panel, saved.name));
  if (previous !== undefined && !replace) throw createNameConflict(saved.name);
  write(workspace, { ...file, views: [...others, { ...saved, ...pickUnknown(previous) }] });
}

export function renameView(workspace: string, panel: ViewPanel, name: string, to: string): void {
  const newName = parse(viewNameSchema, to);
  const file = read(workspace);
  const view = find(file, panel, name);
  if (newName !== name && file.views.some((each) => isNamed(each, panel, newName)))
    throw createNameConflict(newName);
  write(workspace, {
    ...file,
    views: file.views.map((each) => (each === view ? { ...each, name: newName } : each)),
  });
}

export function deleteView(workspace: string, panel: ViewPanel, name: string): void {
  const file = read(workspace);
  const view = find(file, panel, name);
  write(workspace, { ...file, views: file.views.filter((each) => each !== view) });
}

function read(workspace: string): ViewsFile {
  const path = join(workspace, ".lathe", viewsFile);
  if (getFileStamp(path) === "") return { version: 1, views: [] };
  try {
    return viewsFileSchema.parse(JSON.parse(readBounded(path, maxBytes)));
  } catch (thrown) {
    const reason = thrown instanceof z.ZodError ? describe(thrown) : (thrown as Error).message;
    throw new WorkbenchError(
      "corrupt",
      `The saved views cannot be read, because of ${path}: ${reason.replace(/\.$/, "")}. Fix or delete the file; until then it is left as it is, and no view is saved.`,
      {},
      { cause: thrown },
    );
  }
}

function write(workspace: string, { views, ...rest }: ViewsFile): void {
  const sorted = [...views].sort((a, b) => compareText(a.panel, b.panel) || compareText(a.name, b.name));
  const text = `${JSON.stringify({ ...rest, views: sorted }, undefined, 2)}\n`;
  try {
    resolveInside(workspace, ".lathe", viewsFile);
    writeAtomic(join(makeLatheFolder(workspace), viewsFile), text, { durable: true });
  } catch (thrown) {
    throw toWorkbenchError(thrown, workspace);
  }
}

/** What a newer version has added to a view. */
function pickUnknown(view: SavedView | undefined): object {
  if (view === undefined) return {};
  const { shape } = view.panel === "runs" ? runsViewSchema : chartsViewSchema;
  return Object.fromEntries(Object.entries(view).filter(([key]) => !(key in shape)));
}

function find({ views }: ViewsFile, panel: ViewPanel, name: string): SavedView {
  const view = views.find((each) => isNamed(each, panel, name));
  if (view !== undefined) return view;
  throw new WorkbenchError("not-found", `There is no view named ${name} any more. Choose another one.`);
}

function isNamed(view: SavedView, panel: ViewPanel, name: string): boolean {
  return view.panel === panel && view.name === name;
}

function createNameConflict(name: string): WorkbenchError {
  return new WorkbenchError(
    "invalid-input",
    `There is a view named ${name} already. Choose another name, or update that view.`,
  );
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new WorkbenchError("invalid-input", `This view cannot be saved: ${describe(parsed.error)}.`);
}

function describe(error: z.ZodError): string {
  const [issue] = error.issues;
  const place = issue?.path.join(".") ?? "";
  return `${place === "" ? "" : `${place}: `}${issue?.message ?? "it has another form"}`;
}
