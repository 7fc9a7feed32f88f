package services

import (
	"context"
	"net"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/mischief"
)

// Diagnostics is com.apple.mobile.diagnostics_relay.
type Diagnostics struct {
	// Gestalt answers a MobileGestalt key.
	Gestalt func(key string) (any, bool)
	Restart func()
	Faults  mischief.Hitter
}

// Serve answers MobileGestalt, GasGauge, Restart, Shutdown and Sleep (the last
// two without an effect) and Goodbye (protocol.md 4.10).
func (d *Diagnostics) Serve(ctx context.Context, conn net.Conn) error {
	return loop{prefix: "diagnostics", nameKey: "Request", faults: d.Faults, answer: d.answer}.serve(ctx, conn)
}

func (d *Diagnostics) answer(_ context.Context, request string, req map[string]any) (any, error) {
	success := map[string]any{"Status": "Success"}
	switch request {
	case "MobileGestalt":
		success["Diagnostics"] = map[string]any{"MobileGestalt": d.gestalt(texts(req["MobileGestaltKeys"]))}
		return success, nil
	case "GasGauge", "All":
		success["Diagnostics"] = map[string]any{"GasGauge": map[string]any{
			"Status": "Success", "CycleCount": 123, "DesignCapacity": 2815, "FullChargeCapacity": 2600,
		}}
		return success, nil
	case "WiFi", "NAND":
		success["Diagnostics"] = map[string]any{request: map[string]any{"Status": "Success"}}
		return success, nil
	case "IORegistry":
		success["Diagnostics"] = map[string]any{"IORegistry": map[string]any{}}
		return success, nil
	case "Restart":
		return followed{success, d.Restart}, nil
	case "Sleep", "Shutdown":
		return success, nil
	case "Goodbye":
		return success, errDone
	}
	return map[string]any{"Status": "UnknownRequest"}, nil
}

func (d *Diagnostics) gestalt(keys []string) map[string]any {
	out := map[string]any{"Status": "Success"}
	for _, k := range keys {
		if v, ok := d.Gestalt(k); ok {
			out[k] = v
		} else {
			out["Status"] = "MobileGestaltDeprecated"
		}
	}
	return out
}
