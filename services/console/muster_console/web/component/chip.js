export default {
  template: `<span class="m-chip" :class="'m-chip--' + tone.tone"><i class="material-icons" aria-hidden="true">{{ tone.icon }}</i>{{ word }}</span>`,
  props: { word: String },
  computed: { tone() { return window.muster.tone(this.word); } },
};
