/** The figures of the steps of a cell, drawn for the place that they have and read cell by cell. */
import { html, nothing, type TemplateResult } from "lit";
import type { Block } from "../../src/protocol/blocks";
import { formatCount } from "../../src/protocol/quantities";
import { createFigurePicture } from "../../src/pictures/figurePicture";
import type { Picture } from "../../src/pictures/picture";
import type { ChartTheme } from "../../src/pictures/theme";
import { Memo } from "../kit/memo";
import { PictureReader } from "../kit/pictureReader";

export type FigureBlock = Extract<Block, { kind: "figure" }>;

export interface RunFigure {
  /** The name of the run; undefined for a figure of all runs. */
  readonly run: string | undefined;
  readonly block: FigureBlock;
  /** How the run is shown above its figure; undefined if it is the only one. */
  readonly heading: TemplateResult | undefined;
}

/** More are drawn on request. */
const maxFigures = 6;

interface FigureView {
  readonly picture: Memo<Picture>;
  readonly reader: PictureReader;
}

export class FigureViews {
  private readonly views = new WeakMap<FigureBlock, FigureView>();
  /** The titles of figures of which those of all runs are shown. */
  private readonly wholeTitles = new Set<string>();

  constructor(private readonly redraw: () => void) {}

  /** Figures of one title, one for each run; `room` is their width in pixels. */
  render(figures: readonly RunFigure[], theme: ChartTheme, room: number): TemplateResult {
    const { title } = figures[0]!.block;
    const shown = this.wholeTitles.has(title) ? figures : figures.slice(0, maxFigures);
    const more = figures.length - shown.length;
    return html`<h4>${title}</h4>
      <div class="figures">
        ${shown.map(
          (figure) =>
            html`<figure>${figure.heading ?? nothing} ${this.renderFigure(figure, theme, room)}</figure>`,
        )}
      </div>
      ${
        more === 0
          ? nothing
          : html`<p class="note">
              The figures of ${formatCount(more)} more ${more === 1 ? "run" : "runs"} are not drawn.
              <button
                type="button"
                class="link"
                @click=${() => {
                  this.wholeTitles.add(title);
                  this.redraw();
                }}
              >
                Draw all
              </button>
            </p>`
      }`;
  }

  private renderFigure({ run, block }: RunFigure, theme: ChartTheme, room: number): TemplateResult {
    const { picture, reader } = this.getView(block);
    const drawn = picture.get([run, room, JSON.stringify(theme)], () => ({
      ...createFigurePicture(block.data, { title: block.caption, theme, room }),
      title: `${block.title}${run === undefined ? "" : ` of ${run}`}: ${block.caption}`,
    }));
    return reader.render(drawn, theme);
  }

  private getView(block: FigureBlock): FigureView {
    const known = this.views.get(block);
    if (known !== undefined) return known;
    const view = { picture: new Memo<Picture>(), reader: new PictureReader(this.redraw) };
    this.views.set(block, view);
    return view;
  }
}
