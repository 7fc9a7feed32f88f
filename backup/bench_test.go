package backup_test

import (
	"path/filepath"
	"testing"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// BenchmarkFirstBackup measures a first backup of one phone: into a folder, and
// into a repository on the same disk, in clear and encrypted.
func BenchmarkFirstBackup(b *testing.B) {
	_, _, plain := serve(b, virtualphone.Config{Profile: "small"})
	_, _, sealed := serve(b, virtualphone.Config{Profile: "small"})
	rep := &reporter{}
	if err := backup.SetEncryption(b.Context(), sealed, secret.BackupPassword{}, secret.NewBackupPassword("pw"), rep); err != nil {
		b.Fatal(err)
	}
	b.Run("folder", func(b *testing.B) {
		for b.Loop() {
			res, err := backup.ToFolder(b.Context(), plain, b.TempDir(), backup.Options{}, rep)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(res.Bytes)
		}
	})
	b.Run("folder encrypted", func(b *testing.B) {
		for b.Loop() {
			res, err := backup.ToFolder(b.Context(), sealed, b.TempDir(), backup.Options{}, rep)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(res.Bytes)
		}
	})
	for name, dev := range map[string]backup.Phone{"repository": plain, "repository encrypted": sealed} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				be, err := local.Open(filepath.Join(b.TempDir(), "repo"), local.Options{})
				if err != nil {
					b.Fatal(err)
				}
				res, err := backup.ToRepository(b.Context(), dev, newRepo(b, be), backup.RepositoryOptions{State: b.TempDir(), Passwords: password("pw")}, rep)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(res.Bytes)
				b.ReportMetric(float64(res.SpoolPeak)/1e6, "spool-MB")
				be.Close()
			}
		})
	}
}
