// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	k8sjson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/validation/field"
	clientgoac "k8s.io/client-go/applyconfigurations"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayac "sigs.k8s.io/gateway-api/applyconfiguration"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/merge"
	"sigs.k8s.io/structured-merge-diff/v6/typed"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	ourac "github.com/beanpod-dev/beanpod/api/v1alpha1/applyconfiguration"
)

// update is a write that was not an apply, kept until an apply needs to know who owns what.
type update struct {
	old, next client.Object
	manager   string
}

// updated remembers a write. Most objects are never applied to, so ownership is found out only when it matters.
func (r *record) updated(old, next client.Object, manager string) {
	r.updates = append(r.updates, update{old: old, next: next, manager: "update/" + manager})
}

// same is the version converter of a store that has one version of each kind.
type same struct{}

// Convert implements merge.Converter.
func (same) Convert(object *typed.TypedValue, _ fieldpath.APIVersion) (*typed.TypedValue, error) {
	return object, nil
}

// IsMissingVersionError implements merge.Converter.
func (same) IsMissingVersionError(error) bool { return false }

// stripped are the fields that nobody owns.
var stripped = fieldpath.NewSet(
	fieldpath.MakePathOrDie("apiVersion"), fieldpath.MakePathOrDie("kind"), fieldpath.MakePathOrDie("metadata"),
	fieldpath.MakePathOrDie("metadata", "name"), fieldpath.MakePathOrDie("metadata", "namespace"),
	fieldpath.MakePathOrDie("metadata", "creationTimestamp"), fieldpath.MakePathOrDie("metadata", "selfLink"),
	fieldpath.MakePathOrDie("metadata", "uid"), fieldpath.MakePathOrDie("metadata", "clusterName"),
	fieldpath.MakePathOrDie("metadata", "generation"), fieldpath.MakePathOrDie("metadata", "managedFields"),
	fieldpath.MakePathOrDie("metadata", "resourceVersion"),
)

// converters know the schemas of all kinds. Reading them takes longer than a thousand applies, so it is done once.
var converters = sync.OnceValue(func() map[string]func(*runtime.Scheme) managedfields.TypeConverter {
	once := func(make func(*runtime.Scheme) managedfields.TypeConverter) func(*runtime.Scheme) managedfields.TypeConverter {
		var mu sync.Mutex
		known := map[*runtime.Scheme]managedfields.TypeConverter{}
		return func(scheme *runtime.Scheme) managedfields.TypeConverter {
			mu.Lock()
			defer mu.Unlock()
			if known[scheme] == nil {
				known[scheme] = make(scheme)
			}
			return known[scheme]
		}
	}
	return map[string]func(*runtime.Scheme) managedfields.TypeConverter{
		"":                          once(clientgoac.NewTypeConverter),
		v1alpha1.GroupVersion.Group: once(ourac.NewTypeConverter),
		"gateway.networking.k8s.io": once(gatewayac.NewTypeConverter),
	}
})

func (s *Store) converter(k *kind) managedfields.TypeConverter {
	if make := converters()[k.gvk.Group]; make != nil {
		return make(s.scheme)
	}
	return converters()[""](s.scheme)
}

func (k *kind) updater() *merge.Updater {
	b := merge.UpdaterBuilder{Converter: same{}}
	if k.status {
		b.IgnoreFilter = map[fieldpath.APIVersion]fieldpath.Filter{
			k.version(): fieldpath.NewExcludeSetFilter(fieldpath.NewSet(fieldpath.MakePathOrDie("status"))),
		}
	}
	return b.BuildUpdater()
}

func (k *kind) version() fieldpath.APIVersion {
	return fieldpath.APIVersion(k.gvk.GroupVersion().String())
}

// applyTo merges an apply configuration into an object, or makes the object from it.
func (s *Store) applyTo(k *kind, config map[string]any, force bool, w *Write) (client.Object, error) {
	key := types.NamespacedName{Namespace: w.Namespace, Name: w.Name}
	r := k.byKey[key]
	if r == nil {
		if err := s.admits(k, key); err != nil {
			return nil, err
		}
		r = &record{key: key, bare: givesStatus(k.gvk)}
	}
	if err := s.catchUp(k, r); err != nil {
		return nil, err
	}
	merged, managed, err := s.merge(k, r, config, "apply/"+w.Manager, force)
	if err != nil {
		return nil, err
	}
	w.ownership = r.object != nil && !managed.Equals(r.managed)
	if r.object == nil {
		s.identity(k, key, merged)
		setDefaults(merged)
		r.managed = managed
		return s.commit(k, r, merged, *w), nil
	}
	out, err := s.replace(k, r, merged, w)
	if err == nil {
		r.managed = managed
	}
	return out, err
}

// merge is one apply: the merged object, and who owns what then.
func (s *Store) merge(k *kind, r *record, config map[string]any, manager string, force bool) (client.Object, fieldpath.ManagedFields, error) {
	live, err := s.typed(k, r.object)
	if err != nil {
		return nil, nil, err
	}
	want, err := s.converter(k).ObjectToTyped(&unstructured.Unstructured{Object: config})
	if err != nil {
		return nil, nil, apierrors.NewBadRequest(err.Error())
	}
	u := k.updater()
	merged, managed, err := u.Apply(live, want, k.version(), r.managed.Copy(), manager, force)
	var conflicts merge.Conflicts
	if errors.As(err, &conflicts) {
		return nil, nil, applyConflict(conflicts)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("merging: %w", err)
	}
	strip(managed)
	if merged == nil {
		return copyOf(r.object), managed, nil
	}
	out, err := s.structured(k, merged, r.object == nil)
	return out, managed, err
}

// catchUp works off the updates since the last apply.
func (s *Store) catchUp(k *kind, r *record) error {
	u := k.updater()
	for _, x := range r.updates {
		old, err := s.typed(k, x.old)
		if err != nil {
			return err
		}
		next, err := s.typed(k, x.next)
		if err != nil {
			return err
		}
		_, managed, err := u.Update(old, next, k.version(), r.managed.Copy(), x.manager)
		if err != nil {
			return fmt.Errorf("tracking fields: %w", err)
		}
		strip(managed)
		r.managed = managed
	}
	r.updates = nil
	return nil
}

func strip(managed fieldpath.ManagedFields) {
	for name, set := range managed {
		left := set.Set().Difference(stripped)
		if left.Empty() {
			delete(managed, name)
			continue
		}
		managed[name] = fieldpath.NewVersionedSet(left, set.APIVersion(), set.Applied())
	}
}

func (s *Store) typed(k *kind, obj client.Object) (*typed.TypedValue, error) {
	if obj == nil {
		empty, err := s.make(k)
		if err != nil {
			return nil, err
		}
		obj = empty
	}
	return s.converter(k).ObjectToTyped(obj, typed.AllowDuplicates)
}

func (s *Store) structured(k *kind, value *typed.TypedValue, fresh bool) (client.Object, error) {
	content, ok := value.AsValue().Unstructured().(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s is not an object", k.gvk)
	}
	if fresh && k.status {
		delete(content, "status")
	}
	// Merging leaves null where the last owned field of a structure was, and the schemas of CRDs refuse null.
	spec, _ := content["spec"].(map[string]any)
	if at := null(field.NewPath("spec"), spec); k.custom && at != nil {
		return nil, apierrors.NewInvalid(k.gvk.GroupKind(), "", field.ErrorList{field.TypeInvalid(at, nil, "must not be null")})
	}
	return s.decode(k, content)
}

// null finds a null in an object; nil when there is none.
func null(at *field.Path, content map[string]any) *field.Path {
	for key, value := range content {
		switch v := value.(type) {
		case nil:
			return at.Child(key)
		case map[string]any:
			if found := null(at.Child(key), v); found != nil {
				return found
			}
		}
	}
	return nil
}

// decode reads an object as the server does, with the defaults of our kinds.
func (s *Store) decode(k *kind, content map[string]any) (client.Object, error) {
	if err := defaultBySchema(k.gvk, content); err != nil {
		return nil, err
	}
	out, err := s.make(k)
	if err != nil {
		return nil, err
	}
	return out, runtime.DefaultUnstructuredConverter.FromUnstructured(content, out)
}

// applyConflict is the answer to an apply without force over fields of others.
func applyConflict(conflicts merge.Conflicts) error {
	var causes []metav1.StatusCause
	for _, c := range conflicts {
		causes = append(causes, metav1.StatusCause{
			Type: metav1.CauseTypeFieldManagerConflict, Message: fmt.Sprintf("conflict with %q", c.Manager), Field: c.Path.String(),
		})
	}
	return apierrors.NewApplyConflict(causes, conflicts.Error())
}

// asMap is any JSON as the server reads it.
func asMap(v any) (map[string]any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	return out, k8sjson.Unmarshal(raw, &out)
}
