/** The parallel axes as a row of buttons: moved by dragging or with Alt and the arrows, removed, and added from a list. */
import { html, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { icons } from "../kit/icons";
import { renderSelect } from "../kit/select";
import type { ViewField } from "./viewFields";
import type { ViewPage } from "./viewPage";

export class AxisBar {
  private dragged: string | undefined;
  private focused: string | undefined;

  draw(page: ViewPage, axes: readonly ViewField[]): TemplateResult {
    const ids = axes.map(({ id }) => id);
    const others = page.fields.filter(({ id }) => !ids.includes(id));
    return html`<div class="axes">
      <ul aria-label="Axes" aria-describedby="axis-keys">
        ${repeat(
          axes,
          ({ id }) => id,
          (field) => this.renderAxis(page, ids, field),
        )}
      </ul>
      ${renderSelect({
        label: "Add an axis",
        value: "",
        choices: [["", "Add an axis…"], ...others.map(({ id, column }) => [id, column.title] as const)],
        onSelect: (id) => id !== "" && page.change({ axes: [...ids, id], axis: id }),
      })}
      <button
        class="quiet"
        ?disabled=${page.state.axes === undefined}
        @click=${() => page.change({ axes: undefined, axis: undefined })}
      >
        Usual axes
      </button>
      <span id="axis-keys" class="hidden"
        >Alt with the left and right arrow moves an axis, Delete removes it, Enter shows its range.</span
      >
    </div>`;
  }

  /** After a drawing: an axis that was moved keeps the focus. */
  afterDraw(root: ParentNode): void {
    if (this.focused === undefined) return;
    root.querySelector<HTMLElement>(`.axes [data-axis="${CSS.escape(this.focused)}"]`)?.focus();
    this.focused = undefined;
  }

  private renderAxis(
    page: ViewPage,
    ids: readonly string[],
    { id, title, column }: ViewField,
  ): TemplateResult {
    const isActive = page.state.axis === id;
    const move = (to: number) => {
      if (to < 0 || to >= ids.length) return;
      const axes = ids.filter((each) => each !== id);
      axes.splice(to, 0, id);
      this.focused = id;
      page.change({ axes });
    };
    const remove = () => {
      const at = ids.indexOf(id);
      this.focused = ids[at + 1] ?? ids[at - 1];
      page.change({ axes: ids.filter((each) => each !== id), ...(isActive ? { axis: undefined } : {}) });
    };
    return html`<li
      draggable="true"
      class=${isActive ? "active" : ""}
      @dragstart=${(event: DragEvent) => {
        this.dragged = id;
        event.dataTransfer?.setData("text/plain", title);
      }}
      @dragover=${(event: DragEvent) => event.preventDefault()}
      @drop=${(event: DragEvent) => {
        event.preventDefault();
        const { dragged } = this;
        this.dragged = undefined;
        if (dragged === undefined || dragged === id) return;
        const axes = ids.filter((each) => each !== dragged);
        const isRightward = ids.indexOf(dragged) < ids.indexOf(id);
        axes.splice(axes.indexOf(id) + (isRightward ? 1 : 0), 0, dragged);
        page.change({ axes });
      }}
    >
      <button
        class="name"
        data-axis=${id}
        title=${column.title}
        aria-pressed=${String(isActive)}
        @click=${() => page.change({ axis: isActive ? undefined : id })}
        @keydown=${(event: KeyboardEvent) => {
          const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
          if (step !== undefined && event.altKey) {
            event.preventDefault();
            move(ids.indexOf(id) + step);
          } else if (event.key === "Delete") {
            event.preventDefault();
            remove();
          }
        }}
      >
        ${title}
      </button>
      <button class="remove" aria-label="Remove the axis ${title}" @click=${remove}>${icons.close}</button>
    </li>`;
  }
}
