/** Editing a name, tags or notes in its cell: Enter writes, Escape leaves it as it was, going elsewhere writes too. */
import { html, type TemplateResult } from "lit";
import type { RunSummary } from "../../src/protocol/service/runs";
import type { EditableField } from "./runColumns";

export interface EditorPage {
  commit(run: RunSummary, field: EditableField, text: string): void;
  closed(): void;
}

const labels: Readonly<Record<EditableField, string>> = {
  name: "Run name",
  tags: "Tags, separated by commas",
  notes: "Notes; Shift+Enter starts a new line",
};

export class CellEditor {
  private edited: { readonly run: RunSummary; readonly field: EditableField; begun: boolean } | undefined;

  constructor(private readonly page: EditorPage) {}

  begin(run: RunSummary, field: EditableField): void {
    this.edited = { run, field, begun: false };
  }

  isEditing(key: string, field: EditableField | undefined): boolean {
    return field !== undefined && this.edited?.field === field && this.edited.run.folder === key;
  }

  render(): TemplateResult {
    const { run, field } = this.edited!;
    const text = field === "tags" ? run.tags.join(", ") : run[field];
    const onKeyDown = (event: KeyboardEvent) => this.onKey(event);
    const onBlur = (event: Event) => this.close(event.currentTarget as HTMLInputElement, true);
    return field === "notes"
      ? html`<textarea
          class="edit"
          rows="4"
          aria-label=${labels[field]}
          .defaultValue=${text}
          @keydown=${onKeyDown}
          @blur=${onBlur}
        ></textarea>`
      : html`<input
          class="edit"
          aria-label=${labels[field]}
          .defaultValue=${text}
          @keydown=${onKeyDown}
          @blur=${onBlur}
        />`;
  }

  /** Whether the keyboard belongs to the editor. */
  afterDraw(root: ParentNode): boolean {
    const input = root.querySelector<HTMLInputElement>(".edit");
    if (this.edited === undefined || input === null) return false;
    if (!this.edited.begun) {
      this.edited.begun = true;
      input.focus();
      input.select();
    }
    return true;
  }

  private onKey(event: KeyboardEvent): void {
    event.stopPropagation();
    if (event.isComposing) return;
    if (event.key === "Escape" || (event.key === "Enter" && !event.shiftKey)) {
      event.preventDefault();
      this.close(event.currentTarget as HTMLInputElement, event.key === "Enter");
      this.page.closed();
    }
  }

  private close({ value }: { readonly value: string }, write: boolean): void {
    const { edited } = this;
    if (edited === undefined) return;
    this.edited = undefined;
    if (write) this.page.commit(edited.run, edited.field, value);
  }
}
