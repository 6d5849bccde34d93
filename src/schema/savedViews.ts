/** Saved views of the panels Runs and Charts: what `.lathe/views.json` contains. Whatever a view leaves out is as usual. */
import * as z from "zod";

const maxViews = 400;

const id = z.string().min(1).max(300);
const ids = z.array(id).max(1000);
const filter = z.string().max(1000, "a filter has at most 1,000 characters");

export const viewNameSchema = z
  .string()
  .trim()
  .min(1, "a view has a name")
  .max(80, "the name of a view has at most 80 characters")
  .regex(/^[^\p{Cc}\p{Zl}\p{Zp}]*$/u, "the name of a view is one line");

/** Unknown keys stay, so that views of a newer version survive an older one. */
export const runsViewSchema = z.looseObject({
  panel: z.literal("runs"),
  name: viewNameSchema,
  filter: filter.optional(),
  sort: z
    .array(z.looseObject({ column: id, descending: z.boolean().optional() }))
    .max(20)
    .optional(),
  /** Empty for the order in which the runs come. */
  group: id.optional(),
  /** Columns that are shown or hidden against the usual choice. */
  show: ids.optional(),
  hide: ids.optional(),
  /** In pixels. */
  widths: z.record(id, z.int().min(34).max(5000)).optional(),
  /** Settings in which the runs differ are columns. */
  settings: z.boolean().optional(),
  /** What is above the table: runs as lines over axes, as points, or by what matters. */
  picture: z
    .looseObject({
      kind: z.enum(["table", "parallel", "scatter", "importance"]).optional(),
      axes: ids.optional(),
      metric: id.optional(),
      across: id.optional(),
      up: id.optional(),
      logarithmic: z.record(id, z.boolean()).optional(),
    })
    .optional(),
});

const limit = z.number().refine(Number.isFinite);

export const chartsViewSchema = z.looseObject({
  panel: z.literal("charts"),
  name: viewNameSchema,
  filter: filter.optional(),
  metrics: ids.optional(),
  group: z.string().max(300).optional(),
  axis: z.enum(["step", "tokens", "seconds"]).optional(),
  /** A metric in the place of the axis. */
  x: id.optional(),
  log_x: z.boolean().optional(),
  log_y: z.boolean().optional(),
  y_from: limit.optional(),
  y_to: limit.optional(),
  no_outliers: z.boolean().optional(),
  smoothing: z.number().min(0).max(1).optional(),
  band: z.enum(["interval", "range", "runs"]).optional(),
  minus_baseline: z.boolean().optional(),
});

export const savedViewSchema = z.discriminatedUnion("panel", [runsViewSchema, chartsViewSchema]);

export const viewsFileSchema = z.looseObject({
  version: z.literal(1, "the version of the file is not 1"),
  views: z
    .array(savedViewSchema)
    .max(maxViews, `there are more than ${maxViews} views`)
    .superRefine((views, context) => {
      const names = new Set<string>();
      for (const { panel, name } of views) {
        const key = `${panel}\n${name}`;
        if (names.has(key)) context.addIssue(`two views of ${panel} are named ${JSON.stringify(name)}`);
        names.add(key);
      }
    }),
});

/** Without the unknown keys of a newer version. */
type Known<T> = { [K in keyof T as string extends K ? never : K]: T[K] };

export type RunsView = Known<z.infer<typeof runsViewSchema>>;
export type ChartsView = Known<z.infer<typeof chartsViewSchema>>;
export type SavedView = RunsView | ChartsView;
export type ViewPanel = SavedView["panel"];
