// When the stages of a system refresh ran, as bars over one line of time; every bar also says so in words.
export default {
  template: `
  <div class="m-gantt" role="img" :aria-label="words">
    <div class="m-gantt-row" v-for="bar in bars" :key="bar.label">
      <span class="m-gantt-label">{{ bar.label }}</span>
      <span class="m-gantt-track"><span v-if="bar.start" class="m-gantt-bar" :class="'m-gantt-bar--' + tone(bar.state)" :style="place(bar)"></span></span>
      <span class="m-gantt-note"><i class="material-icons" aria-hidden="true">{{ icon(bar.state) }}</i>{{ note(bar) }}</span>
    </div>
    <div class="m-gantt-row m-gantt-axis" v-if="span"><span></span><span class="m-gantt-ends"><span>0 s</span><span>{{ duration(span / 1000) }}</span></span><span></span></div>
  </div>`,
  props: { bars: Array, start: String, end: String },
  data: () => ({ now: Date.now() }),
  mounted() { this.clock = setInterval(() => (this.now = Date.now()), 1000); },
  unmounted() { clearInterval(this.clock); },
  computed: {
    first() { return Date.parse(this.start); },
    last() {
      const ends = this.bars.map((bar) => (bar.end ? Date.parse(bar.end) : bar.start ? this.now : 0));
      return Math.max(this.end ? Date.parse(this.end) : this.now, ...ends);
    },
    span() { return Math.max(0, this.last - this.first); },
    words() { return this.bars.map((bar) => bar.label + ": " + this.note(bar)).join(". "); },
  },
  methods: {
    tone: (state) => window.muster.tone(state).tone,
    icon: (state) => window.muster.tone(state).icon,
    duration: (seconds) => window.muster.duration(seconds),
    place(bar) {
      const from = Date.parse(bar.start), to = bar.end ? Date.parse(bar.end) : this.now;
      const whole = this.span || 1;
      const left = Math.min(99, Math.max(0, ((from - this.first) / whole) * 100));
      return { left: left + "%", width: Math.max(0.6, Math.min(100 - left, ((to - from) / whole) * 100)) + "%" };
    },
    note(bar) {
      const parts = [bar.state];
      if (bar.seconds !== null && bar.seconds !== undefined) parts.push(this.duration(bar.seconds));
      else if (bar.start && !bar.end) parts.push(this.duration(Math.max(0, (this.now - Date.parse(bar.start)) / 1000)));
      if (bar.total) parts.push(window.muster.number(bar.ended) + " of " + window.muster.number(bar.total));
      if (bar.change !== null && bar.change !== undefined && Math.abs(bar.change) >= 0.1)
        parts.push(this.duration(Math.abs(bar.change)) + (bar.change > 0 ? " longer" : " shorter") + " than before");
      return parts.join(", ");
    },
  },
};
