/** Keeps the state of a page: not at once, because scrolling and dragging change it with every frame, and when the page is hidden. */
export class DelayedSave {
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly save: () => void) {
    addEventListener("pagehide", () => this.saveNow());
  }

  request(): void {
    this.timer ??= setTimeout(() => this.saveNow(), delayMilliseconds);
  }

  private saveNow(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.save();
  }
}

const delayMilliseconds = 300;
