/** Decides whether the backend service is restarted after a crash, so that it does not restart in a loop. */

export interface RestartPolicy {
  /** Records a crash at that time in milliseconds, and returns how long to wait before the next start. */
  crashed(at: number): { readonly again: true; readonly delay: number } | { readonly again: false };
  /** Forgets all crashes, because the user has fixed the cause. */
  forget(): void;
}

/** After a few crashes in a minute another start would not help. */
export function createRestartPolicy({ most = 4, within = 60_000 } = {}): RestartPolicy {
  let crashes: number[] = [];
  return {
    crashed(at) {
      crashes = [...crashes.filter((each) => at - each < within), at];
      if (crashes.length >= most) return { again: false };
      return { again: true, delay: 250 * 2 ** (crashes.length - 1) };
    },
    forget() {
      crashes = [];
    },
  };
}
