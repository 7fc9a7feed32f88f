package schedule

import "time"

// DecideMedia tells whether to copy the music and pictures of a phone now: once in
// every window, without asking anybody. It waits for a job that has the phone, and
// wants power or charge as backups do; when both may start, start the backup first.
// Prompt is never set.
func DecideMedia(p Policy, f Facts) Decision {
	p = p.tame()
	p.EveryDays = 1
	d := newDecider(p, f.media())
	var out Decision
	switch {
	case f.Running:
		out.Reason = AlreadyRunning
	case !p.Media:
		out.Reason = SwitchedOff
	default:
		out = d.decide()
	}
	out.Start, out.Turn = out.Reason.starting(), d.turn
	if out.Start {
		out.Until = time.Time{}
	}
	d.plan(&out)
	d.mediaWords(&out)
	return out
}

// media are the facts as they are for a media copy: the phone asks nobody, and
// nobody asked for it.
func (f Facts) media() Facts {
	f.Asks, f.Prompts = false, nil
	f.Request, f.Signal = time.Time{}, time.Time{}
	f.LastGood, f.Last = f.LastMedia, f.LastCopy
	return f
}

// mediaWords says what is different about media copies; that a phone cannot be
// reached is said in the same words.
func (d *decider) mediaWords(out *Decision) {
	r := out.Reason
	var s sentence
	switch {
	case r.starting():
		s = sentence{text: "The music and pictures of {phone} are copied.", why: "That asks nobody anything."}
	case r == SwitchedOff:
		s = sentence{text: "The music and pictures of {phone} are not copied by themselves."}
	case r == UpToDate:
		s = sentence{text: "The music and pictures of {phone} were copied " + ago(d.f.LastGood, d.f.Now) + ".", why: "The next copy is due " + soon(out.Until, d.f.Now) + "."}
	case r == WaitWindow:
		s = sentence{text: "The music and pictures of {phone} are copied " + soon(out.Until, d.f.Now) + "."}
	case r == WaitPower || r == WaitBattery:
		s = sentence{text: "Waits for {phone} to have power, to copy its music and pictures.", do: "put {it} on its charger"}
	case r == WaitRetry:
		s = sentence{text: "The copy of the music and pictures of {phone} broke off and is tried again " + soon(out.Until, d.f.Now) + "."}
	case r == GaveUp || r == WasCancelled || r == NotAnswered:
		s = sentence{text: "The copy of the music and pictures of {phone} was not finished.", why: d.because() + "It is tried again " + soon(out.Until, d.f.Now) + "."}
	default:
		d.words(out)
		return
	}
	out.Text, out.Why = d.fill(s.text), d.fill(s.why)
	if out.Do = ""; s.do != "" {
		out.Do = d.fill(d.f.ask(s.do))
	}
}
