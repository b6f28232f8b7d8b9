export default {
  template: `<time v-if="kind === 'instant' || kind === 'moment' || kind === 'day'" :datetime="value || undefined" :title="full">{{ words }}</time><span v-else class="m-figure">{{ words }}</span>`,
  props: { value: null, kind: String },
  data: () => ({ now: 0 }),
  mounted() { if (this.kind === "instant") this.clock = setInterval(() => this.now++, 10000); },
  unmounted() { clearInterval(this.clock); },
  computed: {
    words() {
      const write = { number: "number", instant: "ago", moment: "short", duration: "duration", bytes: "bytes", day: "day" }[this.kind];
      return this.now >= 0 ? window.muster[write](this.value) : "";
    },
    full() { return window.muster.instantZone(this.value); },
  },
};
